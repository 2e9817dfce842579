"""The hosts that are measured: private engines filled with images, or with build cache."""

from __future__ import annotations

from tests.engines import Engine
from tests.engines.images import ImageToLoad, Layer, layer, layer_of, load, tar_of

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


def fill_cache(engine: Engine, builds: int, steps: int, *, seed: str) -> None:
    """Build with BuildKit, a record for each step and two for each context; leave no image."""
    for number in range(builds):
        names = (f"{seed}-{number}-{step}" for step in range(steps))
        dockerfile = "".join(("FROM scratch\n", *(f"COPY f /{name}\n" for name in names)))
        context = tar_of(
            {"Dockerfile": dockerfile.encode(), "f": f"{seed} {number}".encode() * 200}
        )
        engine.docker("build", "--quiet", "-", stdin=context, buildkit=True)
    for image in engine.client.list("/images/json"):
        engine.api("DELETE", f"/images/{image['Id']}?force=1")


def _own(seed: str, image: int, number: int, files: int) -> Layer:
    name = f"{seed}-{image}-{number}"
    if files == 1:
        return layer(name, 2000 + image)
    return layer_of({f"{name}/{n}": f"{name} {n}".encode() * 20 for n in range(files)})
