"""Which host an engine is on: found again by ID, name and address; in doubt another one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from holystone.outside.machine import Machine, this_machine
from holystone.planner.inventory import Engine
from holystone.store import hosts
from holystone.store.folder import FILE
from holystone.store.hosts import Host, Seen, identify, is_local, is_same
from holystone.store.schema import LOST
from holystone.store.store import Store
from holystone.usage.sighting import Sighting
from holystone.usage.store_port import ImageFacts
from tests.store.examples import KEY, NOW, host, opened, plan_of, seen, without_hosts

UNIX = "unix:///var/run/docker.sock"
HERE = Machine("m1", "b1", NOW - 1000)
ENGINE = host(0).engine
OLD = Host("u", "old", (UNIX, "tcp://a:2375"), "m1", "b1", NOW - 10)
FACTS = {"sha256:1": ImageFacts(NOW)}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as made:
        yield made


def called(name: str, engine_id: str = "engine", store: str = "classic") -> Engine:
    return ENGINE._replace(id=engine_id, name=name, store=store)


@pytest.mark.parametrize(
    ("name", "endpoint", "machine", "same"),
    [
        ("old", "ssh://elsewhere", None, True),
        ("new", "tcp://a:2375", None, True),
        ("new", "tcp://b:2375", None, False),
        ("new", UNIX, HERE, True),
        ("new", "unix:///run/docker.sock", HERE, False),
        ("new", UNIX, Machine("m2", "b1", NOW - 1000), True),
        ("new", UNIX, Machine("m1", "b2", NOW - 1000), False),
        ("new", UNIX, Machine("m1", "b2", NOW - 5), True),
        ("new", UNIX, Machine("m2", "b2", NOW - 5), False),
        ("new", UNIX, Machine("", "b2", NOW - 5), False),
        ("new", UNIX, Machine("", "", NOW - 5), False),
    ],
)
def test_what_tells_hosts_apart(
    name: str, endpoint: str, machine: Machine | None, *, same: bool
) -> None:
    """The name; the address; for one of this machine whether it may have been renamed since."""
    assert is_same(OLD, Seen("engine", name, endpoint, NOW, machine)) is same


def test_nothing_known_is_nothing_in_common() -> None:
    bare = OLD._replace(machine="", boot="")
    assert not is_same(bare, Seen("engine", "new", UNIX, NOW, Machine("", "", NOW)))


@pytest.mark.parametrize(
    ("endpoint", "local"),
    [
        (UNIX, True),
        ("tcp://localhost:2375", True),
        ("tcp://127.0.0.1:2375", True),
        ("tcp://[::1]:2375", True),
        ("tcp://10.0.0.1:2375", False),
        ("ssh://root@runner", False),
    ],
)
def test_addresses_that_mean_something_else_on_every_machine(endpoint: str, *, local: bool) -> None:
    assert is_local(endpoint) is local


def test_this_machine_stays_the_same() -> None:
    first, second = this_machine(NOW), this_machine(NOW)
    assert first.boot
    assert first[:2] == second[:2]
    assert 0 < first.booted < NOW


def test_a_host_keeps_its_uuid(ledger: Store) -> None:
    """Over another address, under another name there, and to the end of the first name."""
    uuid = identify(ledger, called("a"), UNIX, NOW)
    assert len(uuid) == hosts.LENGTH
    assert identify(ledger, called("a"), UNIX, NOW + 1) == uuid
    assert identify(ledger, called("a"), "tcp://a:2375", NOW + 9999) == uuid
    assert identify(ledger, called("b"), "tcp://a:2375", NOW + 9999) == uuid
    assert identify(ledger, called("b"), "ssh://b", NOW + 9999) == uuid
    assert identify(ledger, called("a", store="containerd"), "ssh://b", NOW + 9999) == uuid


def test_machines_of_one_template_are_told_apart(ledger: Store) -> None:
    """Looked at in turn from one machine, each is found again."""
    at = {"a": "tcp://a:2375", "b": "ssh://b", "c": "tcp://c:2375"}
    uuids = {name: identify(ledger, called(name), url, NOW) for name, url in at.items()}
    assert len(set(uuids.values())) == len(at)
    for name in "cabba":
        assert identify(ledger, called(name), at[name], NOW + 5) == uuids[name]
    # An engine whose data was reset has a new ID.
    assert identify(ledger, called("a", "reset"), at["a"], NOW) not in uuids.values()


def test_machines_that_share_the_folder_and_the_socket_are_told_apart(
    ledger: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines = {
        "a": Machine("m", "boot of a", NOW - 999),
        "b": Machine("m", "boot of b", NOW - 99),
    }
    uuids: dict[str, set[str]] = {"a": set(), "b": set()}
    for minutes, name in enumerate("abbaab"):
        monkeypatch.setattr(hosts, "this_machine", lambda _, of=name: machines[of])
        uuids[name].add(identify(ledger, called(name), UNIX, NOW + 60 * minutes))
    assert [len(each) for each in uuids.values()] == [1, 1]
    assert uuids["a"].isdisjoint(uuids["b"])


def test_an_address_is_that_of_the_host_last_seen_there(ledger: Store) -> None:
    """Else one that is renamed later could be taken for the one that had the address before."""
    first = identify(ledger, called("a"), "tcp://10.0.0.1:2375", NOW)
    second = identify(ledger, called("b"), "tcp://10.0.0.2:2375", NOW)
    assert identify(ledger, called("a"), "tcp://10.0.0.2:2375", NOW + 9) == first
    assert identify(ledger, called("b"), "tcp://10.0.0.3:2375", NOW + 99) == second
    assert identify(ledger, called("new"), "tcp://10.0.0.2:2375", NOW + 999) == first


def test_a_name_that_comes_back_gets_its_runs_back(ledger: Store) -> None:
    """An address was given to another machine: that was not the same host renamed."""
    url, inventory = "tcp://10.0.0.1:2375", host(1)
    first = identify(ledger, called("a"), url, NOW)
    there = inventory._replace(engine=called("a")._replace(host=first))
    assert ledger.runs.begin(plan_of(there), there, endpoint=url) is not None
    assert identify(ledger, called("b"), url, NOW) == first
    there = inventory._replace(engine=called("b")._replace(host=first))
    assert ledger.runs.begin(plan_of(there), there, endpoint=url) is not None
    second = identify(ledger, called("a"), "tcp://10.0.0.2:2375", NOW)
    assert second != first
    assert [run.host for run in ledger.runs.list()] == [first, second]


def test_most_looks_write_nothing(ledger: Store, tmp_path: Path) -> None:
    identify(ledger, called("a"), UNIX, NOW)
    with sqlite3.connect(tmp_path / FILE) as other:
        before = other.execute("SELECT * FROM host").fetchall()
        identify(ledger, called("a"), UNIX, NOW + 60)
        assert other.execute("SELECT * FROM host").fetchall() == before
        identify(ledger, called("a"), UNIX, NOW + 7200)
        (last,) = other.execute("SELECT last_seen FROM host").fetchone()
    assert last == NOW + 7200


def test_two_processes_that_see_a_new_host_at_once(tmp_path: Path) -> None:
    def look(_: int) -> str:
        with opened(tmp_path) as own:
            return identify(own, called("a"), UNIX, NOW)

    with ThreadPoolExecutor(8) as crew:
        assert len(set(crew.map(look, range(24)))) == 1


def test_an_unusable_ledger_gives_no_uuid(tmp_path: Path) -> None:
    """Then the engine's ID alone counts, as the lock does in any case."""
    warnings: list[str] = []
    (tmp_path / "file").write_text("not a folder")
    broken = Store(str(tmp_path / "file"), warnings.append)
    assert identify(broken, ENGINE, UNIX, NOW) == ""
    assert len(warnings) == 1
    assert (ENGINE.key, ENGINE.lock) == (KEY, "engine/runner/classic")
    known = ENGINE._replace(host="u")
    assert (known.key, known.lock) == ("u/classic", ENGINE.lock)


def test_odd_names_are_kept(ledger: Store) -> None:
    """An engine may call its host anything, at any length."""
    for name in ("", "half a character: \ud800", "x" * 100_000):
        engine = called(name, engine_id=f"id {len(name)} \udc80")
        uuid = identify(ledger, engine, "tcp://x:1", NOW)
        assert uuid
        assert identify(ledger, engine, "tcp://y:1", NOW) == uuid


@pytest.mark.parametrize("spoilt", ["endpoints = '{', name = x'00ff'", "engine_id = x'00ff'"])
def test_a_damaged_row_costs_no_more_than_it_must(
    ledger: Store, tmp_path: Path, spoilt: str
) -> None:
    """A host whose name or address cannot be read is found by the engine's ID, or the reverse."""
    uuid = identify(ledger, called("a"), UNIX, NOW)
    ledger.close()
    with sqlite3.connect(tmp_path / FILE) as other:
        other.execute(f"UPDATE host SET {spoilt}")
    warnings: list[str] = []
    again = Store(str(tmp_path), warnings.append)
    again.runs.list()
    assert "host (what tells 1 host from others)" in warnings[0]
    # Without a name it may be any; without the engine's ID it is the one of that name.
    name = "b" if "name" in spoilt else "a"
    if name == "a":
        assert identify(again, called("b"), "tcp://b:2375", NOW) != uuid
    assert identify(again, called(name), "tcp://c:2375", NOW) == uuid
    assert identify(again, called(name), UNIX, NOW) == uuid
    again.close()


# What earlier versions kept.


def as_before(folder: Path, names: dict[str, str], looked: str) -> None:
    """A ledger as the version before hosts made it: runs of these hosts, by name and address."""
    inventory = host(2)
    with opened(folder) as ledger:
        for name, endpoint in names.items():
            there = inventory._replace(engine=called(name))
            run = ledger.runs.begin(plan_of(there), there, endpoint=endpoint)
            assert run is not None
            run.end(freed_bytes=0, freed={}, removed=1, skipped=0, failed=0)
        ledger.remember(KEY, FACTS, FACTS)
        ledger.remember("engine/containerd", FACTS, FACTS)
        ledger.remember("other/classic", FACTS, FACTS)
        if looked:
            use = Sighting(NOW, "docker.io/library/node:18", "sha256:1")
            ledger.fold(KEY, replace(seen(use), engine_name=looked))
        ledger.remember_ends(KEY, {"c": NOW})
    with sqlite3.connect(folder / FILE) as old:
        without_hosts(old)


def keys(folder: Path) -> dict[str, set[str]]:
    """By table the keys that its rows have."""
    with sqlite3.connect(folder / FILE) as database:
        return {
            table: {key for (key,) in database.execute(f"SELECT engine FROM {table}")}
            for table in LOST
            if "engine" in {row[1] for row in database.execute(f"PRAGMA table_info({table})")}
        }


@pytest.mark.parametrize("endpoint", [UNIX, "tcp://a:2375"])
def test_what_was_kept_before_goes_to_the_host_that_fits(tmp_path: Path, endpoint: str) -> None:
    """That of the last look, by its name; not to another one of the same template."""
    as_before(tmp_path, {"a": "tcp://a:2375", "b": "tcp://b:2375"}, looked="a")
    with opened(tmp_path) as ledger:
        assert {(run.host, run.engine_id, run.store) for run in ledger.runs.list()} == {
            ("", "engine", "classic")
        }
        other = identify(ledger, called("b"), "tcp://b:2375", NOW)
        assert ledger.recall(f"{other}/classic") == {}
        first = identify(ledger, called("a"), endpoint, NOW)
        assert first != other
        assert ledger.recall(f"{first}/classic") == FACTS
        assert ledger.recall(f"{first}/containerd") == FACTS
        assert set(ledger.recall_uses(f"{first}/classic")) == {("image", "sha256:1")}
        assert ledger.recall_ends(f"{first}/classic") == {"c": NOW}
        # A run has the name of its host.
        assert [run.host for run in ledger.runs.list()] == [other, first]
        assert {run.engine_id for run in ledger.runs.list()} == {"engine"}
        last = ledger.runs.last_ended(f"{other}/classic")
        assert last is not None
        assert last.engine_name == "b"
    told = keys(tmp_path)
    assert told["image"] == {f"{first}/classic", f"{first}/containerd", "other/classic"}
    assert told["used"] == told["watch"] == told["ended"] == {f"{first}/classic"}


def test_a_host_that_was_renamed_meanwhile_is_known_by_its_address(tmp_path: Path) -> None:
    as_before(tmp_path, {"a": "tcp://a:2375"}, looked="a")
    with opened(tmp_path) as ledger:
        uuid = identify(ledger, called("new"), "tcp://a:2375", NOW)
        assert ledger.recall(f"{uuid}/classic") == FACTS
        assert [run.host for run in ledger.runs.list()] == [uuid]


def test_what_has_no_name_goes_to_the_first_host_of_that_engine(tmp_path: Path) -> None:
    as_before(tmp_path, {}, looked="")
    with opened(tmp_path) as ledger:
        uuid = identify(ledger, called("a"), UNIX, NOW)
        assert ledger.recall(f"{uuid}/classic") == FACTS
        assert ledger.recall("other/classic") == FACTS
        second = identify(ledger, called("b"), "tcp://b:2375", NOW)
        assert ledger.recall(f"{second}/classic") == {}
        assert ledger.recall(f"{uuid}/classic") == FACTS
