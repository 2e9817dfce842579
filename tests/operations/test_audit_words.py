"""What the entries of an account say: commands that can be pasted, names, who holds a layer."""

from __future__ import annotations

import pytest

from holystone.operations.audit.facts import Facts, facts_of, image_name
from holystone.operations.audit.kinds import KINDS, frees
from holystone.operations.audit.record import Entry, Kind, Safety
from holystone.planner.inventory import Container, Engine, Image, Inventory, Layer

ENGINE = Engine("id", "host", "28.5.1", "1.51", "overlay2")
ID = "ab" * 32


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (Entry(Kind.VOLUME, "data", 1, id="data"), "holystone rm --kind volume data, if"),
        (Entry(Kind.VOLUME, "a b;c", 1, id="a b;c"), "holystone rm --kind volume 'a b;c', if"),
        (Entry(Kind.CONTAINER, "web", 1, id=ID), "holystone rm --kind container web, once"),
        (Entry(Kind.PLUGIN, "vieux/sshfs", 1), "docker plugin rm vieux/sshfs"),
        (Entry(Kind.IMAGE, "a:1", 1, holders=("a:1",)), "holystone rm --kind image a:1"),
        (
            Entry(Kind.TWICE, "a:1", 1, holders=("a:1", "untagged abababababab")),
            "holystone rm --kind image a:1 abababababab: it goes with the last",
        ),
    ],
)
def test_commands_have_the_name_of_the_entry(entry: Entry, said: str) -> None:
    assert frees(entry).startswith(said)


@pytest.mark.parametrize(
    "entry",
    [
        Entry(Kind.CONTAINER, ID, 1, id=ID),
        Entry(Kind.IMAGE, "k8s.io: a:1", 1, holders=("k8s.io: a:1",)),
        Entry(Kind.IMAGE, "a:1", 1, holders=("a:1", "b:1", "c:1", "d:1")),
    ],
)
def test_what_rm_cannot_remove_by_name_gets_the_words_of_its_kind(entry: Entry) -> None:
    assert frees(entry) == KINDS[entry.kind].frees


def of_images(*images: Image) -> Facts:
    return facts_of([Inventory(ENGINE, 0.0, images=images)], 0.0)


def test_the_image_that_ends_at_a_layer_comes_first() -> None:
    base, app, top = Layer("base", 3), Layer("app", 0), Layer("top", 0)
    facts = of_images(
        Image("sha256:1", ("a:big",), size=3, layers=(base, app, top)),
        Image("sha256:2", ("b:mid",), size=3, layers=(base, app)),
        Image(f"sha256:{ID}", (), (f"moby-dangling@sha256:{ID}",), size=3, layers=(base,)),
    )
    untagged = f"untagged {ID[:12]}"
    assert facts.smallest_first(facts.holders["base"]) == (untagged, "b:mid", "a:big")
    assert facts.smallest_first(facts.holders["app"]) == ("b:mid", "a:big")
    assert facts.smallest_first(["not-listed", "a:big"]) == ("a:big", "not-listed")


def test_names_in_containerds_database_are_those_that_docker_shows() -> None:
    assert image_name("docker.io/library/busybox:1") == "busybox:1"
    assert image_name("docker.io/grafana/grafana:1") == "grafana/grafana:1"
    assert image_name("ghcr.io/library/a:1") == "ghcr.io/library/a:1"
    assert image_name(f"moby-dangling@sha256:{ID}") == f"untagged {ID[:12]}"


def test_a_restart_is_safe_only_where_no_container_runs() -> None:
    running = Container(ID, "web", "", "", state="running")
    idle = facts_of([Inventory(ENGINE, 0.0)], 0.0)
    busy = facts_of([Inventory(ENGINE, 0.0, containers=(running,))], 0.0)
    assert idle.by_restart() == ("a restart of the engine removes it", Safety.SAFE)
    frees, safety = busy.by_restart()
    assert "stops every running container where live-restore is not on" in frees
    assert safety is Safety.UNKNOWN
