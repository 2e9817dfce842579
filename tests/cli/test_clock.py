"""A machine whose clock differs from the engine's: ages count on the engine's."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import SOURCE, Command, Done
from tests.engines import Engine
from tests.engines.images import ImageToLoad, layer, load

pytestmark = pytest.mark.engine("docker20", "docker28c", "podman5")
HOUR = 3600.0


class Elsewhere:
    """The command on a machine whose clock is so many seconds ahead."""

    def __init__(self, holystone: Command, engine: Engine, folder: Path) -> None:
        self.holystone = holystone
        self.engine = engine
        self.folder = folder

    def __call__(self, ahead: float, *arguments: object) -> Done:
        """Run it, its Python with another idea of the time."""
        # Python imports a module of this name before anything else.
        (self.folder / "sitecustomize.py").write_text(
            f"import time\n_now = time.time\ntime.time = lambda: _now() + {ahead}\n"
        )
        path = f"{self.folder}:{SOURCE}"
        done = self.holystone(*arguments, "-H", self.engine.host, PYTHONPATH=path)
        assert done.code == 0, done
        return done


@pytest.fixture
def elsewhere(fresh_engine: Engine, holystone: Command, tmp_path: Path) -> Elsewhere:
    """The command, with a clock of one's choice."""
    folder = tmp_path / "clock"
    folder.mkdir()
    return Elsewhere(holystone, fresh_engine, folder)


def going(done: Done) -> set[str]:
    """The IDs of what goes."""
    return {item["id"] for item in done.json["items"] if item["action"] == "remove"}


@pytest.mark.parametrize("ahead", [30 * 24 * HOUR, -30 * 24 * HOUR])
def test_ages_count_on_the_engines_clock(
    fresh_engine: Engine, elsewhere: Elsewhere, unique: str, ahead: float
) -> None:
    """What is young stays where the clock is ahead; what is old enough goes where it is behind."""
    load(fresh_engine, ImageToLoad([layer(f"{unique} kept")], [f"localhost/{unique}:1"]))
    load(fresh_engine, ImageToLoad([layer(unique)]))
    fresh_engine.docker(
        "create", "--name", unique, "--network", "none", f"localhost/{unique}:1", "x"
    )
    plan = elsewhere(ahead, "plan", "--json")
    assert going(plan) == set(), "they came a moment ago"
    assert time.time() - 60 < taken(plan) < time.time() + 60
    assert taken(elsewhere(0, "plan", "--json")) == pytest.approx(taken(plan), abs=60)
    fresh_engine.docker("rm", unique)
    wait = 2
    time.sleep(wait)  # The engine's clock has to go on for something to be old.
    assert len(going(elsewhere(ahead, "plan", "--min-age", f"{wait - 1}s", "--json"))) == 1


def taken(done: Done) -> float:
    """When the inventory was taken, as the document tells."""
    from holystone.engine.clock import timestamp

    moment = timestamp(done.json["taken_at"])
    assert moment is not None
    return moment


@pytest.mark.parametrize("ahead", [24 * HOUR, -24 * HOUR])
def test_leases_and_what_is_remembered_of_use(
    fresh_engine: Engine, elsewhere: Elsewhere, holystone: Command, unique: str, ahead: float
) -> None:
    """A lease ends on the clock of who made it; uses are remembered on the engine's."""
    name = f"localhost/{unique}:1"
    (image_id,) = load(fresh_engine, ImageToLoad([layer(unique)], [name]))
    path = f"{elsewhere.folder}:{SOURCE}"
    elsewhere(ahead, "observe")
    assert holystone("lease", name, "--for", "1h", PYTHONPATH=path).code == 0
    deep = ("plan", "deep", "--include-local", "--min-age", "0s", "--json")
    verdict = item(elsewhere(ahead, *deep), image_id)
    assert (verdict["action"], verdict["reasons"][0]["rule"]) == ("keep", "leased")
    assert holystone("lease", "release", "--all", PYTHONPATH=path).code == 0
    done = elsewhere(
        ahead, "clean", "deep", "--yes", "--include-local", "--min-age", "0s", "--json"
    )
    assert done.json["outcome"]["removed"] == 1, done.out


def item(done: Done, object_id: str) -> dict[str, Any]:
    """The verdict on one object."""
    (found,) = (each for each in done.json["items"] if each["id"] == object_id)
    assert isinstance(found, dict)
    return found
