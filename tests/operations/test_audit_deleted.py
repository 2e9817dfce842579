"""Deleted files that are open lead to the container that holds them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Container as Known
from pathlib import Path

from holystone.operations.audit.deleted import deleted
from holystone.operations.audit.facts import facts_of
from holystone.operations.audit.record import Entry
from holystone.outside.deleted_files import Deleted
from holystone.outside.process_container import container_of
from holystone.planner.inventory import Container, Engine, Inventory

ID, OTHER, GONE = "aa" * 32, "ab" * 32, "ac" * 32
LOGS = "/var/lib/docker/containers"


def told(*files: Deleted, inside: dict[int, str] | None = None) -> list[Entry]:
    engine = Engine("id", "host", "28.5.1", "1.51", "overlay2")
    containers = (
        Container(ID, "web", "", "", "running"),
        Container(OTHER, "db", "", "", "running"),
    )
    facts = facts_of([Inventory(engine, 0.0, containers=containers)], 0.0)

    def within(process: int, known: Known[str]) -> str:
        assert ID in known
        return (inside or {}).get(process, "")

    return list(deleted(files, facts, within))


def test_a_file_in_a_container_names_it_and_is_no_path_of_the_host() -> None:
    (entry,) = told(Deleted(7, "sleep", "/x", 4096, 4000), inside={7: ID})
    assert entry.holders == ("web",)
    assert entry.path == ""
    assert entry.evidence == "/x, a path in container web, was deleted and is open"
    assert entry.frees == "restart that container: docker restart web"


def test_a_log_that_the_engine_holds_names_its_container() -> None:
    paths = [f"{LOGS}/{each}/{each}-json.log" for each in (ID, OTHER, GONE)]
    files = [Deleted(5, "dockerd", path, 4096, 4096) for path in paths]
    web, db, gone = told(*files)
    assert (web.holders, db.holders, gone.holders) == (("web",), ("db",), ())
    assert web.path == paths[0]
    assert web.evidence == "the log of container web was deleted and is open"
    assert web.frees.endswith("docker restart web")
    assert "the engine has no more" in gone.evidence


def test_a_file_of_another_process_keeps_its_path() -> None:
    (entry,) = told(Deleted(9, "java", "/a", 1, 1), Deleted(9, "java", "/b", 8192, 1))
    assert (entry.path, entry.holders, entry.frees) == ("/b", (), "")
    assert entry.evidence == "2 deleted files are open, the largest: /b was deleted and is open"


def test_the_container_of_a_process_is_found_by_the_keeper_above_it(tmp_path: Path) -> None:
    """What containerd-shim runs is in the container that its command line names."""
    keeper = tmp_path / "containerd-shim-runc-v2"
    shutil.copy(shutil.which("bash") or "/bin/bash", keeper)
    script = "sleep 1000 & echo $!; read; kill $!"
    with subprocess.Popen(
        [keeper, "-c", script, "-id", ID], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        child = int(process.stdout.readline())
        assert container_of(child, {ID}) == ID
        assert container_of(child, {OTHER}) == ""
        assert container_of(process.pid, {ID}) == "", "the keeper itself is outside"
        process.communicate("\n")
