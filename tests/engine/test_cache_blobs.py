"""The containerd store: build cache and images that have compressed blobs in common."""

from __future__ import annotations

import time

import pytest

from holystone.planner.policy import TAKES, Grace, Policy
from tests.engine.cleaning import NO_CACHE, bytes_below, clean
from tests.engines import Engine
from tests.engines.images import SCRATCH, build

pytestmark = pytest.mark.engine("containerd")

DEEP = Policy(level="deep", takes=TAKES["deep"], grace=Grace.uniform(0), include_local=True)
STORE = "root/containerd/daemon"


def stored(engine: Engine) -> int:
    """Bytes of all blobs and unpacked layers, once the store has let go of what nothing holds."""
    return bytes_below(
        f"{engine.data}/{STORE}/io.containerd.content.v1.content/blobs",
        f"{engine.data}/{STORE}/io.containerd.snapshotter.v1.overlayfs/snapshots",
    )


def near(fall: int, wanted: int) -> bool:
    """Whether they agree but for folders, and files that a build keeps beside its records."""
    return abs(fall - wanted) <= max(50_000, wanted // 50)


def gained(engine: Engine, before: int, wanted: int) -> int:
    """By how much the store fell; waits until it has fallen as wanted, 20 s at most."""
    deadline = time.monotonic() + 20
    while True:
        fall = before - stored(engine)
        if near(fall, wanted) or time.monotonic() > deadline:
            return fall
        time.sleep(0.1)


def test_what_cache_and_images_free_is_what_the_store_falls_by(
    fresh_engine: Engine, unique: str
) -> None:
    for number in (1, 2):
        build(
            fresh_engine,
            f"FROM scratch AS tools\nCOPY rootfs/ /\nRUN head -c 700000 /dev/urandom > /{unique}\n"
            + SCRATCH
            + f"RUN echo {number} && head -c 2000000 /dev/urandom > /own\n"
            f"COPY --from=tools /{unique} /tool\nRUN head -c 500000 /dev/urandom > /more\n",
            *("-t", f"localhost/{unique}:{number}"),
            buildkit=True,
        )
    before = stored(fresh_engine)
    cache = clean(fresh_engine, NO_CACHE)
    assert {step.kind for step in cache.plan.steps} == {"cache"}
    assert near(gained(fresh_engine, before, cache.outcome.freed_bytes), cache.plan.freed_bytes)
    before = stored(fresh_engine)
    images = clean(fresh_engine, DEEP)
    assert {step.kind for step in images.plan.steps} == {"image"}
    assert near(gained(fresh_engine, before, images.outcome.freed_bytes), images.plan.freed_bytes)


def test_both_at_once_free_each_blob_once(fresh_engine: Engine, unique: str) -> None:
    build(
        fresh_engine,
        SCRATCH + f"RUN echo {unique} && head -c 3000000 /dev/urandom > /own\n",
        *("-t", f"localhost/{unique}:1"),
        buildkit=True,
    )
    before = stored(fresh_engine)
    done = clean(fresh_engine, DEEP)
    assert {step.kind for step in done.plan.steps} == {"image", "cache"}
    fall = gained(fresh_engine, before, done.outcome.freed_bytes)
    assert near(fall, done.plan.freed_bytes)
