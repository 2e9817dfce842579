"""An independent simulator gives what ours gives, to the byte, with layers as objects."""

from __future__ import annotations

import pytest

from holystone.replay.running import Job, run_job
from holystone.replay.trace import Trace
from tests.replay.recorded import recorded

GB = 10**9


def layers_as_images(trace: Trace) -> Trace:
    """The same use, layer by layer from the bottom, each as an image of its own."""
    count = len(trace.layer_bytes)
    times = trace.use_times[:0]
    images = trace.use_images[:0]
    for time, image in zip(trace.use_times, trace.use_images, strict=True):
        for layer in trace.layers[image]:
            times.append(time)
            images.append(layer)
    return trace._replace(
        layers=tuple((layer,) for layer in range(count)),
        created=(None,) * count,
        use_times=times,
        use_references=trace.use_references[:0] + type(images)("q", bytes(8 * len(images))),
        use_images=images,
    )


def independent(trace: Trace, budget: int) -> tuple[int, int]:
    """Bytes and objects that libcachesim's LRU misses."""
    library = pytest.importorskip(
        "libcachesim", reason="LIBCACHESIM ABSENT: there is no wheel of it for this system"
    )
    cache = library.LRU(cache_size=budget)
    request = library.Request()
    missed = misses = 0
    for time, layer in zip(trace.use_times, trace.use_images, strict=True):
        request.clock_time = int(time)
        request.obj_id = layer + 1
        request.obj_size = trace.layer_bytes[layer]
        if not cache.get(request):
            missed += trace.layer_bytes[layer]
            misses += 1
    return missed, misses


@pytest.mark.parametrize(
    ("name", "budget"),
    [
        ("small", GB),
        ("small", 3 * GB // 2),
        ("small", 5 * GB),
        ("hub", 5 * GB),
        ("hub", 10 * GB),
        ("hub", 20 * GB),
        ("dotnet", 20 * GB),
        ("dotnet", 40 * GB),
    ],
)
def test_lru_agrees_to_the_byte(name: str, budget: int) -> None:
    trace = layers_as_images(recorded(name))
    result = run_job(trace, None, Job("lru", budget))
    assert (result.pulled_bytes, result.stalls) == independent(trace, budget)
    if (name, budget) == ("hub", 10 * GB):
        assert (result.pulled_bytes, result.stalls) == (342_835_214_090, 19_282)
