"""``holystone lease``: jobs say what they will need, in a word each way."""

from __future__ import annotations

import calendar
import time

import pytest

from tests.cli.command import Command, Done
from tests.docs.test_reference import codes, fields, first_cells, section


def until(lease: dict[str, str]) -> float:
    """Seconds from now to the end of a lease."""
    return calendar.timegm(time.strptime(lease["until_at"], "%Y-%m-%dT%H:%M:%SZ")) - time.time()


def listed(holystone: Command) -> list[tuple[str, str | None]]:
    done = holystone("lease", "list", "--json")
    assert (done.code, done.err) == (0, "")
    return [(lease["reference"], lease["job"]) for lease in done.json["leases"]]


def succeeded(done: Done) -> str:
    assert (done.code, done.err) == (0, "")
    return done.out


def test_a_job_leases_and_releases_what_it_needs(holystone: Command) -> None:
    """The CI job's own leases, without a word of whose they are."""
    job = {"CI_JOB_ID": "4711"}
    out = succeeded(holystone("lease", "python:3.12-slim", "node", "--for", "2h", **job))
    assert len(out.splitlines()) == 2
    assert out.startswith("python:3.12-slim is kept until ")
    assert out.endswith(" UTC for job 4711.\n")
    succeeded(holystone("lease", "--for=1d", "python:3.12-slim", "--job", "12"))
    assert listed(holystone) == [
        ("node", "4711"),
        ("python:3.12-slim", "4711"),
        ("python:3.12-slim", "12"),
    ]
    out = succeeded(holystone("lease", "release", **job))
    assert sorted(out.splitlines()) == [
        "node is no longer kept for job 4711.",
        "python:3.12-slim is no longer kept for job 4711.",
    ]
    assert succeeded(holystone("lease", "release", **job)) == "There was no such lease.\n"
    assert listed(holystone) == [("python:3.12-slim", "12")]


def test_releasing_takes_images_and_options_in_any_order(holystone: Command) -> None:
    for arguments in ("--job 7 a b", "a --job 7 b", "a b --job=7"):
        succeeded(holystone("lease", "a", "--for", "1h", "b", "--job", "7", "c"))
        done = holystone("lease", "release", *arguments.split(), "--json")
        assert sorted(lease["reference"] for lease in done.json["released"]) == ["a", "b"]
        assert listed(holystone) == [("c", "7")]
    succeeded(holystone("lease", "a", "--for", "1h"))
    assert listed(holystone) == [("c", "7"), ("a", None)]
    succeeded(holystone("lease", "release", "--all"))
    assert succeeded(holystone("lease", "list")) == "There are no leases.\n"


def test_an_image_that_is_called_as_a_word_of_the_command(holystone: Command) -> None:
    succeeded(holystone("lease", "release:latest", "--for", "1h"))
    succeeded(holystone("lease", "library/list", "--for", "1h"))
    assert listed(holystone) == [("release:latest", None), ("library/list", None)]
    out = succeeded(holystone("lease", "release", "release"))
    assert out == "release:latest is no longer kept.\n"


def test_how_long(holystone: Command) -> None:
    """From now on; a later lease of the same job makes it longer, never shorter."""
    month = 30 * 86400
    for name, given, most in (("a", "2h", 7200), ("library/a", "1h", 7200), ("a", "30d", month)):
        (lease,) = holystone("lease", name, "--for", given, "--json").json["leases"]
        assert most - 10 < until(lease) <= most


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name an image: holystone lease IMAGE... --for TIME"),
        (["python"], "say for how long: --for 2h"),
        (["python", "--for", "31d"], "'31d': a lease lasts from 1s to 30d"),
        (["python", "--for", "0"], "'0': a lease lasts from 1s to 30d"),
        (["python", "--for", "soon"], "'soon' is not a duration"),
        (["Python", "--for", "1h"], "the repository name 'Python' must be lower case"),
        (["python", "--for", "1h", "--all"], "--all goes with lease release"),
        (["python", "--fro", "1h"], "there is no option --fro (did you mean --for?)"),
        (["python", "-x", "--for", "1h"], "there is no option -x"),
        (["list", "python"], "lease list takes no image"),
        (["list", "--job", "7"], "lease list takes no image"),
        (["release"], "say which leases end: name images, give --job ID, or --all"),
        (["release", "python", "--for", "1h"], "--for makes no sense with lease release"),
        (["release", "--all", "--job", "7"], "--all and --job: give only one of them"),
    ],
)
def test_what_makes_no_sense(holystone: Command, arguments: list[str], words: str) -> None:
    assert words in holystone("lease", *arguments).failed(64)
    assert not holystone.state.exists()


def test_every_field_is_documented_and_a_job_hears_of_a_ledger_it_cannot_use(
    holystone: Command,
) -> None:
    told = fields(holystone("lease", "a", "--for", "1h", "--job", "7", "--json").json)
    told |= fields(holystone("lease", "release", "a", "--job", "7", "--json").json)
    documented = codes(first_cells(section("docs/reference/json.md", "lease --json")))
    assert told == documented | {"schema"}
    # A job must not believe that its images are safe.
    said = holystone("lease", "python", "--for", "1h", HOLYSTONE_STATE="/dev/null").failed(1)
    assert "cannot use the state folder" in said
