"""The hosts that are measured: private engines filled with images that share layers."""

from __future__ import annotations

from tests.engines import Engine
from tests.engines.images import ImageToLoad, Layer, layer, layer_of, load

_BASES = 5
_BASE_LAYERS = 5
_OWN_LAYERS = 2
FILES = 20
"""Files in a layer of its own: what a small application layer has."""
_AT_A_TIME = 100


def fill(engine: Engine, count: int, *, tagged: bool, seed: str, files: int = 1) -> None:
    """Load images on a few common bases, each with layers of its own."""
    bases = [
        [layer(f"{seed} base {base} {n}", 5000 + n) for n in range(_BASE_LAYERS)]
        for base in range(_BASES)
    ]
    for start in range(0, count, _AT_A_TIME):
        load(
            engine,
            *(
                ImageToLoad(
                    [*bases[n % _BASES], *(_own(seed, n, k, files) for k in range(_OWN_LAYERS))],
                    [f"localhost/{seed}-{n % 20}:{n}"] if tagged else (),
                )
                for n in range(start, min(start + _AT_A_TIME, count))
            ),
        )


def _own(seed: str, image: int, number: int, files: int) -> Layer:
    name = f"{seed}-{image}-{number}"
    if files == 1:
        return layer(name, 2000 + image)
    return layer_of({f"{name}/{n}": f"{name} {n}".encode() * 20 for n in range(files)})
