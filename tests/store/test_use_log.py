"""The log of single uses, and its export: written, read again, and the same."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holystone.planner.inventory import Image, Layer, chain_ids
from holystone.replay.export import Exported, write_trace
from holystone.replay.running import Job, run_job
from holystone.replay.trace import Trace, parse
from holystone.store import use_log as past
from holystone.store.store import Store
from holystone.usage.sighting import Sighting
from holystone.usage.store_port import ImageFacts
from tests.store.examples import KEY, NOW, opened, seen

NODE = "docker.io/library/node:18"
REDIS = "docker.io/library/redis:7"
DAY = 86400.0


def facts(*sizes: int) -> ImageFacts:
    """Of an image with layers of these sizes; equal sizes are equal layers."""
    diff_ids = tuple(f"sha256:{sha256(bytes([size])).hexdigest()}" for size in sizes)
    layers = tuple(map(Layer, chain_ids(diff_ids), sizes))
    return ImageFacts(NOW, layers=layers, diff_ids=diff_ids)


def exported(ledger: Store, engine: str = KEY) -> tuple[list[dict[str, Any]], Exported]:
    lines: list[str] = []
    written = ledger.read(lambda database: write_trace(database, engine, lines.append))
    return [json.loads(line) for line in lines], written


def read_back(lines: list[dict[str, Any]]) -> Trace:
    """The trace as ``holystone replay`` reads it."""
    return parse((json.dumps(line).encode() for line in lines), "exported")


def replayed(lines: list[dict[str, Any]]) -> list[tuple[int, str, tuple[int, ...]]]:
    """The uses a trace tells, each with the sizes of the layers of its image."""
    if not lines:
        return []
    trace = read_back(lines)
    sizes = [tuple(trace.layer_bytes[n] for n in layers) for layers in trace.layers]
    told = zip(trace.use_times, trace.use_references, trace.use_images, strict=True)
    return [(int(at), trace.references[ref], sizes[image]) for at, ref, image in told]


def test_a_use_is_told_with_the_layers_of_its_image(tmp_path: Path) -> None:
    """Also of images that are long gone, and of those whose layers nobody asked for."""
    with opened(tmp_path) as ledger:
        ledger.remember(KEY, {"a": facts(10, 20), "b": facts(10, 30)}, {"a", "b"})
        ledger.fold(KEY, seen(Sighting(NOW, NODE, "a", pulled=True), Sighting(NOW + 5, REDIS, "b")))
        ledger.remember(KEY, {"c": ImageFacts(NOW)}, {"b", "c"})
        unweighed = "sha256:" + "c" * 64
        ledger.fold(
            KEY,
            seen(
                Sighting(NOW + 600, NODE, unweighed),
                images={unweighed: Image(unweighed, size=77, created=5.0)},
            ),
        )
        lines, written = exported(ledger)
    assert replayed(lines) == [
        (int(NOW), "node:18", (10, 20)),
        (int(NOW) + 5, "redis:7", (10, 30)),
        (int(NOW) + 600, "node:18", (77,)),
    ]
    assert [line["kind"] for line in lines] == ["image", "use"] * 3
    assert [line.get("pulled") for line in lines if line["kind"] == "use"] == [True, None, None]
    assert lines[-2] == {"kind": "image", "id": 2, "layers": [["c" * 16, 77]], "created": 5}
    assert written == Exported(3, 2, 3, 1, NOW, NOW + 600)


def test_an_image_that_came_back_is_the_same_and_was_pulled_again(tmp_path: Path) -> None:
    """Replayed without a budget it is pulled once; here it was twice, and the trace says so."""
    with opened(tmp_path) as ledger:
        ledger.remember(KEY, {"a": facts(10)}, {"a"})
        ledger.fold(KEY, seen(Sighting(NOW, NODE, "a", pulled=True)))
        ledger.remember(KEY, {"b": facts(20)}, {"b"})
        ledger.remember(KEY, {"a": ImageFacts(NOW)}, {"a", "b"})
        ledger.fold(KEY, seen(Sighting(NOW + 30, NODE, "a", pulled=True)))
        lines, written = exported(ledger)
    assert [line["kind"] for line in lines] == ["image", "use", "use"]
    assert [size for _, size in lines[0]["layers"]] == [10]
    assert written.pulls == 2


def test_a_use_of_what_is_gone_already_counts_for_what_was_behind_it(tmp_path: Path) -> None:
    """A host that prunes after every job has nothing left when it is looked at."""
    with opened(tmp_path) as ledger:
        ledger.remember(KEY, {"a": facts(10)}, {"a"})
        ledger.fold(KEY, seen(Sighting(NOW, NODE, "a")))
        ledger.fold(KEY, seen(Sighting(NOW + 600, NODE), Sighting(NOW + 601, REDIS)))
        lines, _ = exported(ledger)
    assert replayed(lines) == [
        (int(NOW), "node:18", (10,)),
        (int(NOW) + 600, "node:18", (10,)),
    ]


def test_replayed_under_what_the_host_did_it_gives_the_hosts_own_pulls(tmp_path: Path) -> None:
    """A host that prunes after every job pulls each time another image is asked for."""
    known = {"node": facts(10, 20), "node next": facts(10, 25), "redis": facts(10, 30)}
    behind = {NODE: "node", REDIS: "redis"}
    asked = (NODE, NODE, REDIS, NODE, REDIS, REDIS, NODE)
    with opened(tmp_path) as ledger:
        here = ""
        for number, reference in enumerate(asked):
            if number == 5:
                behind[NODE] = "node next"
            image, now = behind[reference], NOW + 600 * number
            ledger.remember(KEY, {image: known[image]}, {image})
            use = Sighting(now, reference, image, pulled=image != here)
            ledger.fold(KEY, seen(use, at=now, images={image: Image(image, size=1)}))
            here = image
        lines, written = exported(ledger)
    trace = read_back(lines)
    pruned = run_job(trace, None, Job("prune-all", 0))
    assert (pruned.uses, pruned.stalls) == (7, written.pulls) == (7, 6 - 1)
    kept = run_job(trace, None, Job("lru", 10**6))
    assert (kept.stalls, kept.pulled_bytes) == (3, 10 + 20 + 25 + 30)


def test_a_layer_has_one_size_however_it_was_weighed(tmp_path: Path) -> None:
    """A later look can tell better; a reader of traces takes two sizes for an error."""
    with opened(tmp_path) as ledger:
        whole = facts(10)
        ledger.remember(KEY, {"a": whole}, {"a"})
        ledger.fold(KEY, seen(Sighting(NOW, NODE, "a")))
        (layer,) = whole.layers or ()
        better = whole._replace(layers=(layer._replace(size=11),))
        ledger.remember(KEY, {}, set())
        ledger.remember(KEY, {"b": better}, {"b"})
        ledger.fold(KEY, seen(Sighting(NOW + 600, REDIS, "b")))
        lines, _ = exported(ledger)
    assert {sizes for _, _, sizes in replayed(lines)} == {(10,)}


def test_an_image_without_layers_is_one_all_the_same(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.remember(KEY, {"a": facts()}, {"a"})
        ledger.fold(KEY, seen(Sighting(NOW, NODE, "a")))
        assert replayed(exported(ledger)[0]) == [(int(NOW), "node:18", (0,))]


def test_what_references_last_meant_and_is_gone(tmp_path: Path) -> None:
    """Not what is here again, and not what a tag has moved on from."""
    with opened(tmp_path) as ledger:
        known = {name: facts(10, size) for size, name in enumerate("abc")}
        ledger.remember(KEY, known, set(known))
        uses = [
            Sighting(NOW, NODE, "a"),
            Sighting(NOW + 1, REDIS, "b"),
            Sighting(NOW + 600, NODE, "c"),
        ]
        ledger.fold(KEY, seen(*uses))
        assert ledger.recall_absent(KEY) == {}
        ledger.remember(KEY, {}, {"b"})
        assert ledger.recall_absent(KEY) == {NODE: known["c"].layers}
        ledger.remember(KEY, {}, set())
        assert set(ledger.recall_absent(KEY)) == {NODE, REDIS}
        ledger.remember(KEY, {"c": ImageFacts(NOW)}, {"c"})
        assert set(ledger.recall_absent(KEY)) == {REDIS}
        assert ledger.recall_absent("other") == {}


def test_engines_are_told_apart(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.fold(KEY, seen(Sighting(NOW, NODE, "a")))
        ledger.fold("other/podman", seen(Sighting(NOW, REDIS, "a"), at=NOW + 5))
        ledger.fold("unused/classic", seen(at=NOW + 9))
        assert ledger.read(past.engines) == [
            past.Known("other/podman", "runner", "other"),
            past.Known(KEY, "runner", "engine"),
        ]
        assert [use[1] for use in replayed(exported(ledger)[0])] == ["node:18"]
        assert [use[1] for use in replayed(exported(ledger, "other/podman")[0])] == ["redis:7"]


def test_the_log_is_cut_where_it_is_too_old(tmp_path: Path) -> None:
    """With what it alone names; the summaries stay."""
    with opened(tmp_path) as ledger:
        ledger.fold(KEY, seen(Sighting(NOW - 181 * DAY, REDIS, "a"), at=NOW - 181 * DAY))
        ledger.fold(KEY, seen(Sighting(NOW - 170 * DAY, REDIS, "b"), at=NOW - 170 * DAY))
        ledger.fold(KEY, seen(Sighting(NOW, NODE, "c")))
        lines, written = exported(ledger)
        assert (written.uses, written.images) == (2, 2)
        assert ledger.recall_summaries(KEY, "reference")[REDIS].count == 2
        ledger.fold(KEY, seen(Sighting(NOW + 170 * DAY, NODE, "c"), at=NOW + 170 * DAY))
        lines, _ = exported(ledger)
        assert {line["ref"] for line in lines if line["kind"] == "use"} == {"node:18"}


@pytest.mark.parametrize(
    ("bound", "most", "kept"),
    [("MOST_USES", 5, 5), ("_MOST_NAMES", 10, 10), ("_MOST_NAMES", 20, 12)],
)
def test_the_log_is_cut_where_it_is_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, most: int, kept: int
) -> None:
    monkeypatch.setattr(past, bound, most)
    with opened(tmp_path) as ledger:
        for n in range(12):
            ledger.fold(KEY, seen(Sighting(NOW + n, f"r.example.com/app:{n}", f"i{n}")))
        lines, written = exported(ledger)
        assert (written.uses, written.references, written.images) == (kept, kept, kept)
        assert lines[-1]["ref"] == "r.example.com/app:11"
        counts = [
            ledger.read(lambda d, t=table: d.execute(f"SELECT count(*) FROM {t}").fetchone())[0]  # type: ignore[misc]
            for table in ("past_use", "past_image", "past_reference")
        ]
        assert counts == [kept] * 3


steps = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.sampled_from([NODE, REDIS, "r.example.com/team/app:main"]),
        st.sampled_from(["a", "b", "c"]),
        st.booleans(),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(steps, st.integers(1, 7))
def test_what_was_counted_is_what_is_told(
    tmp_path_factory: pytest.TempPathFactory, made: list[tuple[int, str, str, bool]], batch: int
) -> None:
    """However many looks the uses come in: every one that counted, once, in order of time."""
    folder = tmp_path_factory.mktemp("ledger")
    known = {"a": facts(1), "b": facts(1, 2), "c": facts(3)}
    now = NOW
    counted: list[Sighting] = []
    with opened(folder) as ledger:
        ledger.remember(KEY, known, set(known))
        for start in range(0, len(made), batch):
            uses = []
            for pause, reference, image, pulled in made[start : start + batch]:
                now += pause
                uses.append(Sighting(now, reference, image, pulled=pulled))
            folded = ledger.fold(KEY, seen(*uses, at=now))
            assert folded is not None
            counted += folded.counted
        told = replayed(exported(ledger)[0])
    stacks = {"a": (1,), "b": (1, 2), "c": (3,)}
    short = {NODE: "node:18", REDIS: "redis:7"}
    assert told == [
        (int(each.at), short.get(each.reference, each.reference), stacks[each.image])
        for each in counted
    ]
