"""What a trace is like: how much was used, and how much disk that could ever have needed."""

from __future__ import annotations

from itertools import accumulate

from holystone.replay.result import TraceFacts
from holystone.replay.trace import Trace


def facts_of(trace: Trace) -> TraceFacts:
    """The figures of a trace."""
    uses = trace.use_images
    last = {image: at for at, image in enumerate(uses)}
    first = {uses[at]: at for at in range(len(uses) - 1, -1, -1)}
    layer_last: dict[int, int] = {}
    layer_first: dict[int, int] = {}
    for image, at in first.items():
        for layer in trace.layers[image]:
            layer_last[layer] = max(last[image], layer_last.get(layer, -1))
            layer_first[layer] = min(at, layer_first.get(layer, len(uses)))
    sizes = trace.image_bytes()
    return TraceFacts(
        name=trace.name,
        uses=len(uses),
        references=len(trace.references),
        images=len(first),
        layers_bytes=sum(trace.layer_bytes[layer] for layer in layer_first),
        largest_image_bytes=max(sizes[image] for image in first),
        working_set_bytes=_most_at_once(trace, layer_first, layer_last),
        first_use=trace.use_times[0],
        last_use=trace.use_times[-1],
    )


def _most_at_once(trace: Trace, first: dict[int, int], last: dict[int, int]) -> int:
    """The most bytes of layers between their first and their last use, these included."""
    change = [0] * (len(trace.use_times) + 1)
    for layer, at in first.items():
        change[at] += trace.layer_bytes[layer]
        change[last[layer] + 1] -= trace.layer_bytes[layer]
    return max(accumulate(change))
