"""The log of single uses, and its export: written, read again, and the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holystone.core.inventory import Layer
from holystone.core.layers import chain_ids
from holystone.core.memory import ImageFacts
from holystone.core.seen import Sighting
from holystone.ledger import past, trace
from holystone.ledger.ledger import Ledger
from tests.ledger.examples import KEY, NOW, opened, seen

NODE = "docker.io/library/node:18"
REDIS = "docker.io/library/redis:7"
DAY = 86400.0


def facts(*sizes: int) -> ImageFacts:
    """Of an image with layers of these sizes; equal sizes are equal layers."""
    diff_ids = tuple(f"sha256:{size:064x}" for size in sizes)
    layers = tuple(map(Layer, chain_ids(diff_ids), sizes))
    return ImageFacts(NOW, layers=layers, diff_ids=diff_ids)


def exported(ledger: Ledger, engine: str = KEY) -> tuple[list[dict[str, Any]], trace.Written]:
    lines: list[str] = []
    written = ledger.read(lambda database: trace.write(database, engine, lines.append))
    return [json.loads(line) for line in lines], written


def replayed(lines: list[dict[str, Any]]) -> list[tuple[int, str, tuple[tuple[str, int], ...]]]:
    """The uses a trace tells, each with the layers of its image."""
    images: dict[int, tuple[tuple[str, int], ...]] = {}
    uses = []
    for line in lines:
        if line["kind"] == "image":
            assert line["id"] not in images
            images[line["id"]] = tuple((digest, size) for digest, size in line["layers"])
        else:
            assert line["kind"] == "use"
            uses.append((line["time"], line["ref"], images[line["image"]]))
    assert [time for time, _, _ in uses] == sorted(time for time, _, _ in uses)
    return uses


def chain(*sizes: int) -> tuple[tuple[str, int], ...]:
    return tuple((layer.chain_id[7:23], layer.size) for layer in facts(*sizes).layers or ())


def test_a_use_is_told_with_the_layers_of_its_image(tmp_path: Path) -> None:
    """Also of images that are long gone, and of those whose layers nobody asked for."""
    with opened(tmp_path) as ledger:
        ledger.remember(KEY, {"a": facts(10, 20), "b": facts(10, 30)}, {"a", "b"})
        ledger.fold(KEY, seen(Sighting(NOW, NODE, "a", pulled=True), Sighting(NOW + 5, REDIS, "b")))
        ledger.remember(KEY, {"c": ImageFacts(NOW)}, {"b", "c"})
        unweighed = "sha256:" + "c" * 64
        ledger.fold(KEY, seen(Sighting(NOW + 600, NODE, unweighed), sizes={unweighed: 77}))
        lines, written = exported(ledger)
    assert replayed(lines) == [
        (int(NOW), "node:18", chain(10, 20)),
        (int(NOW) + 5, "redis:7", chain(10, 30)),
        (int(NOW) + 600, "node:18", (("c" * 16, 77),)),
    ]
    assert [line["kind"] for line in lines] == ["image", "use"] * 3
    assert [line.get("pulled") for line in lines if line["kind"] == "use"] == [True, None, None]
    assert written == trace.Written(3, 2, 3, NOW, NOW + 600, 1)


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
    assert [line["layers"] for line in lines[:1]] == [[list(each) for each in chain(10)]]
    assert written.pulls == 2


def test_a_use_of_what_is_gone_already_counts_for_what_was_behind_it(tmp_path: Path) -> None:
    """A host that prunes after every job has nothing left when it is looked at."""
    with opened(tmp_path) as ledger:
        ledger.remember(KEY, {"a": facts(10)}, {"a"})
        ledger.fold(KEY, seen(Sighting(NOW, NODE, "a")))
        ledger.fold(KEY, seen(Sighting(NOW + 600, NODE), Sighting(NOW + 601, REDIS)))
        lines, _ = exported(ledger)
    assert replayed(lines) == [
        (int(NOW), "node:18", chain(10)),
        (int(NOW) + 600, "node:18", chain(10)),
    ]


def test_engines_are_told_apart(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.fold(KEY, seen(Sighting(NOW, NODE, "a")))
        ledger.fold("other/podman", seen(Sighting(NOW, REDIS, "a"), at=NOW + 5))
        ledger.fold("unused/classic", seen(at=NOW + 9))
        assert ledger.read(past.engines) == [("other/podman", "runner"), (KEY, "runner")]
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
    stacks = {"a": chain(1), "b": chain(1, 2), "c": chain(3)}
    short = {NODE: "node:18", REDIS: "redis:7"}
    assert told == [
        (int(each.at), short.get(each.reference, each.reference), stacks[each.image])
        for each in counted
    ]
