"""A clean is killed at any point: the next one settles its account, and nothing is half gone."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Sequence
from typing import Any

import pytest

from tests.cli.command import Command, ended
from tests.engine.cleaning import image_ids
from tests.engines import Engine
from tests.engines.images import ImageToLoad, busybox_layer, layer, load

KILLS = 10
IMAGES = 90
CLEAN = ("deep", "--yes", "--include-local", "--min-age", "0s", "--json")


def fill(engine: Engine, name: str, turn: int) -> list[str]:
    """Images with two tags each, some with a layer of their own; answers their IDs."""
    return load(
        engine,
        *(
            ImageToLoad(
                [
                    busybox_layer(),
                    layer(f"{name} {turn} {n}", 5000) if n % 30 == 0 else f"ENV N={turn}.{n}",
                ],
                [f"localhost/{name}:{turn}.{n}", f"localhost/{name}-too:{turn}.{n}"],
            )
            for n in range(IMAGES)
        ),
    )


def history(holystone: Command, *arguments: object) -> dict[str, Any]:
    """What the history tells."""
    done = holystone("history", *arguments, "--json")
    assert (done.code, done.err) == (0, ""), done
    document = done.json
    assert isinstance(document, dict)
    return document


def runs(holystone: Command) -> list[dict[str, Any]]:
    """All runs, newest first."""
    listed = history(holystone, "--limit", 1000)["runs"]
    assert isinstance(listed, list)
    return listed


def assert_whole(engine: Engine, images: Sequence[str]) -> None:
    """What is left has all its layers and can be run."""
    for image in images[:: max(1, len(images) // 2)]:
        details = engine.api("GET", f"/images/{image}/json")
        assert details["RepoTags"], "an image that lost its last tag and stayed"
        said = engine.docker("run", "--rm", "--pull", "never", "--network", "none", image, "ls")
        assert "bin" in said


@pytest.mark.engine("docker20")
def test_killed_anywhere(fresh_engine: Engine, holystone: Command, unique: str) -> None:
    """Each kill comes at a random number of removals, the first two before any."""
    engine = fresh_engine
    chance = random.Random(unique)
    host = ("-H", engine.host)
    cut_short = 0
    for turn in range(KILLS):
        load_now = set(fill(engine, unique, turn))
        before = image_ids(engine)
        assert load_now <= before
        known = len(runs(holystone))
        with holystone.started("clean", *CLEAN, *host) as process:
            if turn < 2:
                time.sleep(chance.uniform(0, 0.15))
            else:
                left = len(before) - chance.randrange(1, len(before) * 3 // 4)
                while len(image_ids(engine)) > left and process.poll() is None:
                    pass
                time.sleep(chance.uniform(0, 0.03))
            process.send_signal(signal.SIGKILL)
            assert ended(process).code in (-signal.SIGKILL, 0)
        told = runs(holystone)
        assert len(told) - known in (0, 1)
        killed = told[0]["id"] if len(told) > known and told[0]["state"] == "killed" else None

        # This one has nothing to do but to look.
        following = holystone("clean", "--min-age", "1d", "--json", *host)
        assert following.code == 0, following
        after = image_ids(engine)
        gone = before - after
        if len(told) == known:
            assert not gone, "images that went without a word"
        if killed is None:
            continue
        cut_short += 1
        assert told[0]["removed"] <= len(gone)
        document = history(holystone, killed)
        assert document["run"]["state"] == "killed"
        planned = {each["id"] for each in document["removals"]}
        assert load_now <= planned, "all that a clean means to remove is written down before"
        listed = {each["id"] for each in document["removals"] if each["result"] == "removed"}
        assert listed == gone
        assert document["run"]["removed"] == len(gone)
        assert_whole(engine, sorted(after))
    assert cut_short >= KILLS // 2, "the kills came too early or too late to tell anything"

    last = holystone("clean", *CLEAN, *host)
    assert last.code == 0
    assert image_ids(engine) == set()
    assert engine.disk_usage()["LayersSize"] == 0
