"""Real engines with one ID, as on machines made from one template: what is known does not mix."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holystone.store.folder import FILE
from tests.cli.command import Command, Done
from tests.cli.test_levels import CONFIG
from tests.engine.restoring import image, pushed
from tests.engines import Engine, Registry
from tests.engines.images import ImageToLoad, layer, load
from tests.store.examples import without_hosts

CLONED = pytest.mark.engine("docker20", "docker28c")
ON_ANOTHER_BOOT = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'
StartEngine = Callable[..., Engine]


class Machines:
    """The command, on engines that share one state folder."""

    def __init__(self, holystone: Command, folder: Path) -> None:
        self.holystone = holystone
        self.config = folder / "holystone.toml"
        self.config.write_text(CONFIG)

    def clean(self, engine: Engine) -> None:
        """Remove all that is not in use."""
        done = self.on(engine, "clean", "deep", "--yes", "--config", self.config)
        assert (done.code, done.err) == (0, ""), done

    def on(self, engine: Engine, *arguments: object) -> Done:
        return self.holystone(*arguments, "-H", engine.host)

    def host(self, engine: Engine) -> str:
        """The UUID of its host, after a look that remembers."""
        return self.told(self.on(engine, "observe", "--json"))

    def told(self, done: Done) -> str:
        assert (done.code, done.err) == (0, ""), done
        uuid = done.json["engine"]["host"]
        assert len(uuid) == 36
        return str(uuid)

    def runs(self) -> list[tuple[int, str]]:
        """The runs, the oldest first, each with the UUID of its host."""
        runs = self.holystone("history", "--json").json["runs"]
        return [(run["id"], run["engine"]["host"]) for run in reversed(runs)]

    def references(self, host: str) -> set[str]:
        """What the log of uses names, of one host."""
        lines = self.holystone("history", "export", "--engine", host).out.splitlines()
        return {each["ref"] for each in map(json.loads, lines) if "ref" in each}

    def rows(self, sql: str) -> list[Any]:
        with sqlite3.connect(self.holystone.state / FILE) as database:
            return database.execute(sql).fetchall()


@pytest.fixture
def machines(holystone: Command, tmp_path: Path) -> Machines:
    return Machines(holystone, tmp_path)


def id_of(engine: Engine) -> str:
    return str(engine.api("GET", "/info")["ID"])


@pytest.fixture
def two(own_engine: StartEngine) -> tuple[Engine, Engine]:
    """The engines of two machines that were made from one template."""
    first = own_engine(hostname="first")
    second = own_engine(hostname="second", engine_id=id_of(first))
    assert id_of(first) == id_of(second)
    assert [each.api("GET", "/info")["Name"] for each in (first, second)] == ["first", "second"]
    return first, second


def use(engine: Engine, reference: str) -> None:
    """Load an image and use it."""
    load(engine, ImageToLoad([layer(reference)], [reference]))
    engine.docker("rm", engine.docker("create", reference))


@CLONED
def test_one_folder_for_two_machines(
    two: tuple[Engine, Engine], machines: Machines, registry: Registry, unique: str
) -> None:
    first, second = two
    use(first, f"{unique}:first")
    use(second, f"{unique}:second")
    uuids = [machines.host(each) for each in two]
    assert len(set(uuids)) == len(two)
    assert machines.references(uuids[0]) == {f"{unique}:first"}
    assert machines.references(uuids[1]) == {f"{unique}:second"}
    # Leases are those of the jobs, wherever they run.
    names = [f"{unique}:first", f"{unique}:second"]
    machines.holystone("lease", *names, "--for", "1h")
    for each, name in zip(two, names, strict=True):
        items = machines.on(each, "plan", "deep", "--json").json["items"]
        (rules,) = [[told["rule"] for told in i["reasons"]] for i in items if name in i["names"]]
        assert "leased" in rules
    machines.holystone("lease", "release", "--all")

    pushed(first, registry, unique, "1")
    machines.clean(first)
    assert machines.runs() == [(1, uuids[0])]
    assert "no run on this engine has removed an image" in machines.on(second, "restore").failed(1)
    refused = machines.on(second, "restore", "1").failed(1)
    assert "run 1 was made on another engine, first; this is second" in refused
    assert f"--host {first.host}" in refused
    assert image(second, f"{unique}:second") is not None
    machines.clean(second)
    assert machines.runs() == [(1, uuids[0]), (2, uuids[1])]
    assert [
        run["engine"]["id"] for run in machines.holystone("history", "--json").json["runs"]
    ] == [id_of(first)] * 2

    done = machines.on(first, "restore")
    assert done.lines[0].startswith("Restored what run 1 removed"), done
    assert image(first, f"{registry.address}/{unique}:1") is not None
    assert [machines.host(each) for each in two] == uuids


@CLONED
def test_machines_that_share_the_address_too(
    two: tuple[Engine, Engine], machines: Machines, unique: str, tmp_path: Path
) -> None:
    """Each has its socket at the usual place, and they share the folder by a file system."""
    socket = tmp_path / "docker.sock"
    boots = [tmp_path / f"boot-{each}" for each in range(2)]
    uuids: tuple[set[str], set[str]] = (set(), set())
    for number in (0, 1, 1, 0):
        use(two[number], f"{unique}:{number}")
        boots[number].write_text(f"boot {number}\n")
        socket.unlink(missing_ok=True)
        socket.symlink_to(two[number].socket)
        machine = ("unshare", "--mount", "sh", "-c", ON_ANOTHER_BOOT, str(boots[number]))
        look = ("observe", "--json", "-H", f"unix://{socket}")
        uuids[number].add(machines.told(machines.holystone.under(machine, *look)))
    assert [len(each) for each in uuids] == [1, 1]
    assert uuids[0].isdisjoint(uuids[1])
    assert machines.references(*uuids[0]) == {f"{unique}:0"}
    assert machines.references(*uuids[1]) == {f"{unique}:1"}


@CLONED
def test_a_host_that_is_renamed_and_reached_otherwise(
    own_engine: StartEngine, machines: Machines, unique: str, tmp_path: Path
) -> None:
    engine = own_engine(hostname="before")
    use(engine, f"{unique}:1")
    uuid = machines.host(engine)
    machines.clean(engine)
    engine.rename("after")
    assert engine.api("GET", "/info")["Name"] == "after"
    assert machines.host(engine) == uuid
    assert machines.on(engine, "restore", "1", "--dry-run").code == 0
    (tmp_path / "other.sock").symlink_to(engine.socket)
    look = machines.holystone("observe", "--json", "-H", f"unix://{tmp_path}/other.sock")
    assert machines.told(look) == uuid
    assert machines.rows("SELECT count(*) FROM host") == [(1,)]


@pytest.mark.engine("docker28c")
def test_an_engine_whose_data_was_reset_is_another(
    own_engine: StartEngine, machines: Machines
) -> None:
    engine = own_engine(hostname="machine")
    before, uuid = id_of(engine), machines.host(engine)
    (engine.data / "root" / "engine-id").unlink()
    engine.restart()
    assert id_of(engine) != before
    assert machines.host(engine) != uuid


@CLONED
def test_a_ledger_of_an_earlier_version(
    two: tuple[Engine, Engine], machines: Machines, registry: Registry, unique: str
) -> None:
    """What it holds goes to the host that it is of, as if nothing had been in between."""
    first, second = two
    pushed(first, registry, unique, "1")
    use(first, f"{unique}:first")
    uuid = machines.host(first)
    machines.clean(first)
    known = machines.references(uuid)
    store = "containerd" if first.store == "containerd" else "classic"
    tables = ("image", "layer", "run", "watch", "used", "company", "registry_word")
    before = {table: machines.rows(f"SELECT count(*) FROM {table}") for table in tables}
    with sqlite3.connect(machines.holystone.state / FILE) as old:
        for table in tables:
            old.execute(f"UPDATE {table} SET engine = ?", (f"{id_of(first)}/{store}",))
        without_hosts(old)
    (run,) = machines.holystone("history", "--json").json["runs"]
    assert run["engine"] == {"id": id_of(first), "host": None, "store": store, "name": "first"}
    other = machines.host(second)
    assert "no run on this engine has removed an image" in machines.on(second, "restore").failed(1)
    again = machines.host(first)
    assert again not in (uuid, other)
    assert machines.runs() == [(1, again)]
    assert machines.references(again) == known
    for table in tables:
        where = f"WHERE engine = '{again}/{store}'"
        assert machines.rows(f"SELECT count(*) FROM {table} {where}") == before[table], table
    done = machines.on(first, "restore")
    assert done.lines[0].startswith("Restored what run 1 removed"), done
    assert image(first, f"{registry.address}/{unique}:1") is not None
