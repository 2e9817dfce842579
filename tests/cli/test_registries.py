"""What registries say decides what goes: real engines with registries that lose images, or end."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cli.command import Command
from tests.cli.contract import check_clean, check_plan
from tests.cli.test_levels import CONFIG as LEVELS_CONFIG
from tests.engine.restoring import pushed
from tests.engines import Engine, Registry, start_registry
from tests.engines.images import ImageToLoad, layer, load

CONFIG = LEVELS_CONFIG.replace("keep_last = 1", "keep_last = 0")
EVERYTHING = ("--until-used", "0%")
"""More than can come free."""


class Host(NamedTuple):
    """An engine with images of two registries, of which the second can be stopped."""

    engine: Engine
    command: Command
    registry: Registry
    there: str
    """The digest of an image in a registry that goes on."""
    mortal: Registry
    lost: str
    """The digest of an image that the second registry has deleted."""
    first: str
    second: str
    """Digests of images that it has."""
    on: tuple[str, ...]

    def run(self, *arguments: object, state: str = "state") -> Any:
        folder = str(self.command.home / state)
        return self.command(*arguments, *self.on, "--state", folder)

    def rules(self, *arguments: object, state: str = "state") -> dict[str, tuple[str, list[str]]]:
        """What a plan says of each of the four: the action, and the rules."""
        done = self.run("plan", *arguments, "--json", state=state)
        assert (done.code, done.err) == (0, "")
        items = check_plan(done.json)
        return {
            name: (item["action"], [reason["rule"] for reason in item["reasons"]])
            for name in (self.there, self.lost, self.first, self.second)
            for item in items.values()
            if _tag(name) in item["names"]
        }


def _tag(reference: str) -> str:
    return f"{reference.partition('@')[0]}:1"


def questions(registry: Registry) -> int:
    """How often a registry was asked for a manifest."""
    return sum("/manifests/sha256:" in line for line in registry.log.splitlines())


@pytest.fixture
def host(
    fresh_engine: Engine, registry: Registry, holystone: Command, unique: str, tmp_path: Path
) -> Iterator[Host]:
    (tmp_path / "holystone.toml").write_text(CONFIG)
    mortal = start_registry()
    try:
        there = pushed(fresh_engine, registry, f"{unique}-there", "1")
        names = (f"{unique}-lost", f"{unique}-first", f"{unique}-second")
        lost, first, second = (pushed(fresh_engine, mortal, name, "1") for name in names)
        mortal.call("DELETE", f"/v2/{names[0]}/manifests/{lost.partition('@')[2]}")
        on = ("--config", str(tmp_path / "holystone.toml"), "-H", fresh_engine.host)
        yield Host(fresh_engine, holystone, registry, there, mortal, lost, first, second, on)
    finally:
        mortal.stop()


GOES, STAYS = "remove", "keep"
KINDS = pytest.mark.engine("docker20", "docker28", "docker28c", "podman5")


@KINDS
def test_registries_are_asked_once_a_day(host: Host) -> None:
    """What one has deleted stays, at every level; the second run asks nothing."""
    begun = questions(host.mortal)
    weekly = host.rules("weekly")
    assert weekly == {
        host.there: (GOES, ["expired"]),
        host.lost: (STAYS, ["local", "tagged"]),
        host.first: (GOES, ["expired"]),
        host.second: (GOES, ["expired"]),
    }
    asked = questions(host.mortal)
    assert asked > begun
    assert host.rules("weekly") == weekly
    assert host.rules("weekly", *EVERYTHING)[host.lost] == (STAYS, ["local", "tagged"])
    assert host.rules("deep")[host.lost] == (STAYS, ["local", "tagged"])
    told = host.run("explain", _tag(host.lost), "--json").json["facts"]
    assert told["registry"].startswith(f"lacks it: {host.mortal.address} says ")
    assert told["registry_asked_at"] is not None
    assert host.run("explain", _tag(host.first), "--json").json["facts"]["registry"] == "has it"
    assert questions(host.mortal) == asked, "all of this was remembered"

    done = host.run("clean", "weekly", "--json")
    assert (done.code, done.err) == (0, "")
    went = {
        n for i in check_clean(done.json).values() if i["result"] == "removed" for n in i["names"]
    }
    assert went == {_tag(host.there), _tag(host.first), _tag(host.second)}
    assert questions(host.mortal) == asked
    text = host.run("explain", _tag(host.lost), "--level", "weekly")
    assert "its registry cannot give it back: " in text.out


@pytest.mark.engine("docker20", "docker28c")
def test_explain_asks_about_what_it_explains_alone(host: Host) -> None:
    """No registry about what is not here; only that of the image that is meant."""
    asked = questions(host.mortal), questions(host.registry)
    unknown = host.run("explain", "--level", "deep", "reg/unknown@sha256")
    assert (unknown.code, unknown.out) == (1, "")
    assert "on this host is called 'reg/unknown@sha256'" in unknown.err
    assert (questions(host.mortal), questions(host.registry)) == asked
    told = host.run("explain", "--level", "deep", _tag(host.there), "--json").json
    assert (told["item"]["action"], told["facts"]["registry"]) == (GOES, "has it")
    assert questions(host.mortal) == asked[0]
    assert questions(host.registry) > asked[1]
    told = host.run("explain", "--level", "deep", _tag(host.lost), "--json").json
    assert told["item"]["action"] == STAYS
    assert told["facts"]["registry"].startswith("lacks it: ")


@KINDS
def test_a_registry_that_is_down(host: Host) -> None:
    """Weekly keeps its images; a clean for space takes them last and names them.

    On Podman it must have said once that it has them, and a remembered no counts everywhere.
    """
    assert host.rules("weekly")[host.lost] == (STAYS, ["local", "tagged"])
    host.mortal.stop()
    unasked = host.rules("weekly", state="other")
    assert unasked[host.there] == (GOES, ["expired"])
    for name in (host.lost, host.first, host.second):
        assert unasked[name] == (STAYS, ["unconfirmed", "tagged"])

    podman = host.engine.store == "podman"
    last = (STAYS, ["unconfirmed", "tagged"]) if podman else (GOES, ["pressure", "unconfirmed"])
    pressed = host.rules(*EVERYTHING, state="other")
    assert pressed[host.there] == (GOES, ["pressure"])
    assert [pressed[name] for name in (host.first, host.second)] == [last, last]
    file = host.command.home / "plan.json"
    host.run("plan", *EVERYTHING, "--out", file, state="other")
    steps = [each["names"][0] for each in json.loads(file.read_text())["steps"]]
    assert steps[0] == _tag(host.there)
    assert len(steps) == (1 if podman else 4)


@KINDS
def test_what_it_had_goes_when_space_runs_out(host: Host) -> None:
    """Its last word was yes, longer than a day ago: a clean for space takes them and says so."""
    assert host.rules("weekly")[host.first] == (GOES, ["expired"])
    ledger = host.command.home / "state" / "holystone.db"
    _age(ledger, 2 * 86400)
    host.mortal.stop()
    assert host.rules("weekly")[host.first] == (STAYS, ["unconfirmed", "tagged"])
    planned = host.run("plan", *EVERYTHING)
    assert "Unconfirmed by a registry, and to go: 2" in planned.out
    done = host.run("clean", *EVERYTHING)
    assert done.code == 4, done
    assert "Unconfirmed by a registry, and removed: 2" in done.out
    assert "its registry, which had it before, could not be asked: no answer from" in done.out
    assert done.lines[-1].endswith("; 2 images unconfirmed by a registry")
    left = {tag for i in host.engine.client.list("/images/json") for tag in i["RepoTags"] or ()}
    assert left == {_tag(host.lost)}, "its registry said that it lacks it"


def _age(ledger: Path, seconds: float) -> None:
    """Let what is remembered of registries be so much older."""
    with sqlite3.connect(ledger) as database:
        database.execute(
            "UPDATE registry_word SET asked = asked - ?, seen = seen - ?", (seconds,) * 2
        )
    database.close()


@KINDS
def test_without_asking(host: Host) -> None:
    """The digest is trusted where it proves that a registry had the image."""
    asked = questions(host.mortal), questions(host.registry)
    trusted = host.rules("weekly", "--no-check-registry")
    for name in (host.there, host.lost, host.first):
        if host.engine.store == "podman":
            assert trusted[name] == (STAYS, ["unconfirmed", "tagged"])
        else:
            assert trusted[name] == (GOES, ["expired"])
    assert (questions(host.mortal), questions(host.registry)) == asked
    with open(host.on[1], "a", encoding="utf-8") as file:
        file.write("check_registry = false\n")
    assert host.rules("weekly") == trusted
    assert host.rules("weekly", "--check-registry")[host.lost] == (STAYS, ["local", "tagged"])


@pytest.mark.engine("docker28c")
@pytest.mark.parametrize("state", ["state", "new"], ids=["same memory", "new memory"])
def test_the_name_of_an_image_proves_nothing(host: Host, state: str) -> None:
    """On the containerd store what is made here has a digest of the repository it is named after.

    That another image was pulled by that name says nothing of this one.
    """
    assert host.rules("weekly", "--no-check-registry")[host.first] == (GOES, ["expired"])
    host.engine.docker("rmi", _tag(host.first))
    load(host.engine, ImageToLoad([layer("made here")], [_tag(host.first)]))
    trusted = host.rules("weekly", "--no-check-registry", state=state)
    assert trusted[host.first] == (STAYS, ["unconfirmed", "tagged"])
    assert trusted[host.second] == (GOES, ["expired"])


@pytest.mark.engine("docker28c")
def test_a_pull_that_a_routine_clean_saw_counts(host: Host, unique: str) -> None:
    """The engine forgets its events; holystone remembers the pull, though it lists few images."""
    assert host.run("clean").code == 0
    later = pushed(host.engine, host.registry, f"{unique}-later", "1")
    assert host.run("clean").code == 0
    with sqlite3.connect(host.command.home / "state" / "holystone.db") as database:
        rows = database.execute("SELECT reference FROM registry_word WHERE seen > 0").fetchall()
    database.close()
    digests = {reference.partition("@")[0] for (reference,) in rows}
    assert later.partition("@")[0] in digests
    trusted = host.run("plan", "weekly", "--no-check-registry", "--json").json
    (item,) = (i for i in check_plan(trusted).values() if _tag(later) in i["names"])
    assert item["action"] == GOES


@pytest.mark.engine("docker20", "docker28c")
def test_an_image_pulled_by_digest_is_asked_about_too(host: Host) -> None:
    """It has no tag; what its registry has deleted stays like any other."""
    for reference in (host.first, host.second):
        host.engine.docker("rmi", _tag(reference))
        host.engine.docker("pull", reference)
    repository, _, digest = host.first.partition("@")
    name = repository.removeprefix(f"{host.mortal.address}/")
    host.mortal.call("DELETE", f"/v2/{name}/manifests/{digest}")
    items = check_plan(host.run("plan", "weekly", "--json").json).values()
    told = {each["names"][0]: each for each in items if each["names"]}
    assert told[host.first]["action"] == STAYS
    assert told[host.first]["reasons"][0]["rule"] == "local"
    assert told[host.second]["action"] == GOES
