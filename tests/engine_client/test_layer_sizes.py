"""The sizes of layers out of an image's history: the rules one by one, and held against engines."""

from __future__ import annotations

import hashlib
import random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holystone.engine.layer_sizes import EMPTY_LAYER, Step, Weighing, read_history, weigh
from holystone.planner.holders import unpacked_bytes
from holystone.planner.inventory import chain_ids
from tests.engine.cleaning import observed
from tests.engines import Engine
from tests.engines.images import SCRATCH, ImageToLoad, Layer, build, layer, load

BUILDKIT = "buildkit.dockerfile.v0"
NOP = "/bin/sh -c #(nop) "


def step(created_by: str, size: int = 0, comment: str = "", image_id: str = "<missing>") -> Step:
    return Step(image_id, created_by, comment, size)


def one(
    stack: tuple[str, ...], steps: list[Step], sizes: dict[str, int] | None = None
) -> Weighing | None:
    """What is made of one image alone."""
    known = {EMPTY_LAYER: 0} if sizes is None else sizes
    return weigh({"image": stack}, {"image": steps}, known).get("image")


def test_a_history_is_read_oldest_first() -> None:
    entries: list[dict[str, object]] = [
        {"Id": "sha256:1", "CreatedBy": "ENV A=1", "Comment": "c", "Size": 0, "Tags": None},
        {"Id": "<missing>", "CreatedBy": None, "Comment": None, "Size": 7},
    ]
    assert read_history(entries) == [step("", 7), step("ENV A=1", 0, "c", "sha256:1")]


def test_a_step_with_a_size_is_a_layer() -> None:
    """Whatever it says it did."""
    steps = [step("x", 5), step(f"{NOP}ENV A=1"), step(f"{NOP}CMD x", 3)]
    assert one(("a", "b"), steps) == Weighing((5, 3), exact=True)


@pytest.mark.parametrize(
    ("created_by", "makes"),
    [
        ("RUN /bin/sh -c true # buildkit", True),
        ("COPY x / # buildkit", True),
        ("ADD x / # buildkit", True),
        ("WORKDIR /w", True),
        ("WORKDIR /", False),
        ("ENV RUN=COPY", False),
        ("CMD ADD", False),
        ("VOLUME [/v]", False),
    ],
)
def test_what_makes_a_layer_in_buildkit(created_by: str, makes: bool) -> None:
    """An empty difference is a layer there, and other instructions never are."""
    steps = [step("COPY a /", 5, BUILDKIT), step(created_by, 0, BUILDKIT)]
    assert one(("a", "b"), steps) == (Weighing((5, 0), exact=True) if makes else None)
    assert one(("a",), steps) == (None if makes else Weighing((5,), exact=True))


@pytest.mark.parametrize("created_by", [f"{NOP}ENV A=COPY", f"{NOP} CMD x", f"{NOP}LABEL a=b"])
def test_what_the_classic_builder_notes_only_is_no_layer(created_by: str) -> None:
    """``#(nop)`` with anything but COPY, ADD and WORKDIR changes no file."""
    assert one(("a", "b"), [step("x", 5), step(created_by)]) is None
    assert one(("a",), [step("x", 5), step(created_by)]) == Weighing((5,), exact=True)


@pytest.mark.parametrize(
    "created_by", ["/bin/sh -c true", f"{NOP}COPY dir:1 in / ", f"{NOP}WORKDIR /w", ""]
)
def test_the_number_of_layers_settles_an_empty_step(created_by: str) -> None:
    """A step of the classic builder without a size can have made a layer or none."""
    steps = [step("x", 5), step(created_by)]
    assert one(("a",), steps) == Weighing((5,), exact=True)
    assert one(("a", "b"), steps) == Weighing((5, 0), exact=True)


def test_the_empty_diff_id_settles_which_step_was_empty() -> None:
    """The layer with nothing in it cannot be the step that wrote five bytes."""
    steps = [step("RUN 1"), step("RUN 2", 5), step("RUN 3")]
    assert one((EMPTY_LAYER, "b"), steps) == Weighing((0, 5), exact=True)
    assert one(("b", EMPTY_LAYER), steps) == Weighing((5, 0), exact=True)


def test_on_other_stores_an_empty_layer_may_have_a_size() -> None:
    """4096 bytes of a folder on the containerd store, 1024 of a tar in Podman."""
    steps = [step("COPY", 20480, BUILDKIT), step("RUN true", 4096, BUILDKIT)]
    assert one(("a", EMPTY_LAYER), steps, {}) == Weighing((20480, 4096), exact=True)


def test_two_readings_make_an_image_inexact_with_the_larger_size() -> None:
    """Where either of two steps may be the layer that both could be: no promise is made."""
    steps = [step("RUN 1"), step("RUN 2"), step("RUN 3", 5)]
    assert one(("a", "b"), steps) == Weighing((0, 5), exact=True)
    open_to_both = [step("RUN 1"), step("RUN 2", 5), step("RUN 3"), step("RUN 4", 7)]
    assert one(("a", "b", "c"), open_to_both) == Weighing((5, 5, 7), exact=False)


def test_an_intermediate_image_settles_its_step() -> None:
    """The number of layers of the image a step made is the number up to that step."""
    steps = [
        step("RUN 1", 0, image_id="first"),
        step("RUN 2", 5),
        step("RUN 3"),
        step("RUN 4", 7, image_id="image"),
    ]
    stacks = {"image": ("a", "b", "c"), "first": ("a",)}
    found = weigh(stacks, {"image": steps}, {})
    assert found == {"image": Weighing((0, 5, 7), exact=True)}


def test_a_layer_weighed_on_one_image_settles_another() -> None:
    """One diff ID has one size; what is learned late is used on what came early."""
    open_to_both = [step("RUN 1"), step("RUN 2", 5), step("RUN 3"), step("RUN 4", 7)]
    stacks = {"early": ("a", "b", "c"), "late": ("b",)}
    found = weigh(stacks, {"early": open_to_both, "late": [step("x", 5)]}, {})
    assert found["early"] == Weighing((0, 5, 7), exact=True)
    alone = weigh({"early": stacks["early"]}, {"early": open_to_both}, {"b": 0})
    assert alone["early"] == Weighing((5, 0, 7), exact=True)


@pytest.mark.parametrize(
    ("stack", "steps"),
    [
        (("a",), []),
        (("a", "b"), [step("x", 5)]),
        ((), [step("x", 5)]),
        (("a",), [step("x", 5), step("y", 5)]),
    ],
)
def test_a_history_that_fits_in_no_way_tells_nothing(
    stack: tuple[str, ...], steps: list[Step]
) -> None:
    """More layers than steps, or fewer: the image is left out rather than guessed at."""
    assert one(stack, steps) is None


def test_an_image_without_layers_is_exact() -> None:
    assert one((), [step(f"{NOP}ENV A=1")]) == Weighing((), exact=True)


class Truth(NamedTuple):
    """A step, and whether it made a layer."""

    step: Step
    layer: bool


def truths(buildkit: bool) -> st.SearchStrategy[Truth]:
    if buildkit:
        verbs = st.sampled_from(["RUN x", "COPY a b", "WORKDIR /w"])
        layers = st.builds(lambda v, n: Truth(step(v, n, BUILDKIT), True), verbs, st.integers(0, 3))
        return layers | st.just(Truth(step("ENV A=1", 0, BUILDKIT), False))
    made = st.integers(0, 3).map(lambda size: Truth(step("/bin/sh -c x", size), True))
    return made | st.sampled_from(
        [Truth(step("/bin/sh -c x"), False), Truth(step(f"{NOP}ENV A=1"), False)]
    )


@given(
    st.lists(
        st.booleans().flatmap(lambda buildkit: st.lists(truths(buildkit), max_size=8)), max_size=5
    )
)
def test_what_is_called_exact_is_true(images: list[list[Truth]]) -> None:
    """Whatever the builds: an image gets a reading, and one that is exact has the true sizes."""
    stacks, histories, sizes = {}, {}, {}
    for number, image in enumerate(images):
        made = [truth.step.size for truth in image if truth.layer]
        # The same layer at the same place in several images, as if built on one another.
        stacks[str(number)] = tuple(f"{n} {size}" for n, size in enumerate(made))
        histories[str(number)] = [truth.step for truth in image]
        sizes[str(number)] = tuple(made)
    found = weigh(stacks, histories, {})
    assert found.keys() == stacks.keys()
    for image_id, weighing in found.items():
        true = sizes[image_id]
        assert len(weighing.sizes) == len(true)
        assert not weighing.exact or weighing.sizes == true
        assert all(told >= size for told, size in zip(weighing.sizes, true, strict=True))


def instructions(dice: random.Random, stages: int) -> list[str]:
    """A few random lines of a Dockerfile, of all the kinds that make a layer, or do not."""
    number = dice.randint(1, 9999)
    choices = [
        "RUN true",
        f"RUN mkdir -p /d{number % 3}",
        f"RUN echo {number} > /f{number % 4}",
        f"RUN rm -f /f{number % 4}",
        f"RUN head -c {number} /dev/zero > /z",
        "COPY empty /empty",
        f"COPY some /s{number % 2}",
        "ADD some /added",
        "WORKDIR /",
        f"WORKDIR /w{number % 3}",
        f"ENV A={number % 5}",
        "LABEL l=1",
        'CMD ["true"]',
        "EXPOSE 80",
    ]
    if stages:
        choices += [f"COPY --from={dice.randrange(stages)} /bin/busybox /bin/b{number % 2}"] * 2
    return dice.choices(choices, k=4)


def dockerfile(dice: random.Random) -> str:
    """A random Dockerfile of one to three stages, each on busybox."""
    stages = dice.randint(1, 3)
    lines: list[str] = []
    for stage in range(stages):
        lines += [SCRATCH.strip(), *instructions(dice, stage)]
    return "\n".join(lines) + "\n"


@pytest.mark.engine("classic")
def test_random_builds_weigh_what_the_engine_says(fresh_engine: Engine, unique: str) -> None:
    """Both builders, intermediate images included: Σ over chain IDs is LayersSize to the byte."""
    dice = random.Random(unique)
    files: dict[str, bytes | str] = {"empty": b"", "some": dice.randbytes(1234)}
    for number in range(6):
        build(
            fresh_engine,
            dockerfile(dice),
            *("-t", f"localhost/{unique}:{number}"),
            files=files,
            buildkit=number % 2 == 0,
        )
    images = observed(fresh_engine, remote=True).images
    assert len(images) > 8
    assert all(image.exact and image.layers is not None for image in images)
    assert {image.id: sum(part.size for part in image.layers or ()) for image in images} == {
        image.id: image.size for image in images
    }
    assert unpacked_bytes(images) == fresh_engine.disk_usage()["LayersSize"]


@pytest.mark.parametrize("remote", [False, True], ids=["near", "far"])
def test_layers_are_weighed_where_one_is_empty(
    fresh_engine: Engine, unique: str, remote: bool
) -> None:
    nothing = bytes(1024)
    empty = Layer(nothing, "sha256:" + hashlib.sha256(nothing).hexdigest(), 0)
    assert empty.diff_id == EMPTY_LAYER
    parts = [layer(unique, 20_000), empty, layer(f"{unique} 2", 30_000)]
    load(fresh_engine, ImageToLoad([*parts[:2], "ENV A=1", parts[2]], [f"localhost/{unique}:1"]))
    (image,) = observed(fresh_engine, remote=remote).images
    assert image.exact
    assert image.layers is not None
    assert [part.chain_id for part in image.layers] == chain_ids([part.diff_id for part in parts])
    if fresh_engine.store == "containerd" and not remote:
        # What only one image holds is deduced from its size, and told as one.
        assert sum(part.size for part in image.layers) == image.size - image.content_size
        return
    bottom, middle, top = (part.size for part in image.layers)
    assert bottom >= 20_000
    assert top >= 30_000
    assert middle == {"classic": 0, "containerd": 4096, "podman": 1024}[fresh_engine.store]
