"""The volume of a builder in the account of a disk: its records, or why it was not asked."""

from __future__ import annotations

from holystone.operations.audit.builders import of_builder
from holystone.operations.audit.record import Entry, Kind
from holystone.planner.inventory import Builder, CacheRecord

NOW = 1_750_000_000.0
STATE = "buildx_buildkit_ci0_state"
ENTRY = Entry(Kind.BUILDER, STATE, 9_000_000)


def test_records_come_largest_first_with_what_buildkit_says_of_each() -> None:
    records = (
        CacheRecord("ci0/a", size=1_000_000, created=NOW - 7200, last_used=NOW - 3600),
        CacheRecord("ci0/b", type="exec.cachemount", description="mount /c", size=5_000_000),
        CacheRecord("ci0/c", size=2_000_000, in_use=True, shared=True, created=NOW - 60),
    )
    told = of_builder(ENTRY, Builder("ci0", STATE, "c", records), NOW)
    assert told.evidence == (
        "volume of builder ci0, whose BuildKit tells of 3 records with 8.00 MB: "
        "exec.cachemount 5.00 MB, regular 3.00 MB; in use 2.00 MB"
    )
    assert [(part.name, part.size, part.detail) for part in told.parts] == [
        ("mount /c", 5_000_000, "exec.cachemount"),
        ("ci0/c", 2_000_000, "regular, in use, shared with an image, made 1 min ago"),
        ("ci0/a", 1_000_000, "regular, last used 1 h ago"),
    ]
    assert 'budgets = ["ci0=20GB"]' in told.frees


def test_an_empty_builder_says_so() -> None:
    told = of_builder(ENTRY, Builder("ci0", STATE, "c", ()), NOW)
    assert told.evidence.endswith("tells of no record")
    assert told.parts == ()


def test_one_that_was_not_asked_says_why_and_what_frees_it() -> None:
    stopped = Builder("ci0", STATE, "c", problem="its container is exited")
    told = of_builder(ENTRY, stopped, NOW)
    assert told.evidence == "volume of builder ci0, which was not asked: its container is exited"
    assert told.frees.startswith("docker buildx rm removes the builder; or start it")
    left = Builder("ci0", STATE, problem="it has no container")
    assert of_builder(ENTRY, left, NOW).frees == (
        f"holystone rm --kind volume {STATE}: its builder has no container any more"
    )
