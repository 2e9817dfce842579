"""The sizes of images' layers: by their histories, and by the sizes of whole images.

``GET /images/{id}/history`` gives the size of each step of the image but not the ``empty_layer``
flag of its config, so a step of size 0 may or may not have made a layer. Tried on 945 images of
random Dockerfiles, both builders, engines 20.10, 26.1 and 28.5:

- a step with a size above 0 is a layer;
- BuildKit's ``RUN``, ``COPY``, ``ADD`` and ``WORKDIR`` (other than ``/``) always make a layer,
  its other steps never;
- the classic builder drops every empty difference, so only what it wrote beside the step tells:
  the ID of the intermediate image, whose own number of layers settles it;
- layers with the same diff ID have the same size, in every image.

Where these leave several readings open, all that fit are followed side by side, and a layer whose
size they disagree on makes the image inexact.

On the containerd store a history takes about 5 ms an image, and the list of images tells how large
each is unpacked. What several images share is asked for, once; what only one image holds is the
rest of its size. If that rest is several layers, they count as one: they come and go together.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from holystone.planner.inventory import Image

Stacks = Mapping[str, Sequence[str]]
"""Diff IDs by image ID, bottom first."""
EMPTY_LAYER = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
"""Diff ID of a layer with nothing in it: a tar of 1024 zero bytes."""


class Step(NamedTuple):
    """One entry of a history."""

    image_id: str
    """The intermediate image the step made, or ``<missing>``."""
    created_by: str
    comment: str
    size: int


class Weighing(NamedTuple):
    """The sizes of one image's layers, bottom first, and whether they are certain."""

    sizes: tuple[int, ...]
    exact: bool


def read_history(entries: Iterable[Mapping[str, Any]]) -> list[Step]:
    """The entries as the API gives them, newest first, as steps, oldest first."""
    steps = [
        Step(
            str(entry.get("Id") or ""),
            str(entry.get("CreatedBy") or ""),
            str(entry.get("Comment") or ""),
            int(entry.get("Size") or 0),
        )
        for entry in entries
    ]
    steps.reverse()
    return steps


def weigh(
    stacks: Mapping[str, tuple[str, ...]],
    histories: Mapping[str, list[Step]],
    sizes: Mapping[str, int],
) -> dict[str, Weighing]:
    """The layer sizes of every image in ``histories``, by image ID.

    ``stacks`` are the diff IDs of all images known, bottom first; ``sizes`` what is known already
    of the size of a layer, by diff ID (on the classic store also of ``EMPTY_LAYER``). An image
    whose history fits its layers in no way is left out of the answer.
    """
    known = dict(sizes)
    counts = {image_id: len(stack) for image_id, stack in stacks.items()}
    weighed: dict[str, Weighing] = {}
    todo = dict(histories)
    while todo:
        unsettled: dict[str, list[Step]] = {}
        learned = False
        for image_id, steps in todo.items():
            stack = stacks[image_id]
            choices = _possible_sizes(stack, steps, counts, known)
            if choices is None:
                continue
            for diff_id, options in zip(stack, choices, strict=True):
                if len(options) == 1 and diff_id not in known:
                    known[diff_id] = min(options)
                    learned = True
            exact = all(len(options) == 1 for options in choices)
            weighed[image_id] = Weighing(tuple(max(options) for options in choices), exact)
            if not exact:
                unsettled[image_id] = steps
        if not learned:
            break
        todo = unsettled
    return weighed


def _makes_layer(step: Step) -> bool | None:
    """Whether the step made a layer; None if the step alone does not show it."""
    if step.size > 0:
        return True
    verb, _, argument = step.created_by.partition(" ")
    if step.comment.startswith("buildkit.exporter.image"):
        return True
    if step.comment.startswith("buildkit.dockerfile"):
        return verb in ("RUN", "COPY", "ADD") or (verb == "WORKDIR" and argument.strip() != "/")
    _, metadata_only, instruction = step.created_by.partition("#(nop)")
    if metadata_only and instruction.split(None, 1)[:1] not in (["COPY"], ["ADD"], ["WORKDIR"]):
        return False
    return None


def _readings(
    stack: tuple[str, ...],
    step: Step,
    taken: int,
    counts: Mapping[str, int],
    known: Mapping[str, int],
) -> Iterator[tuple[int, bool]]:
    """How a step can be read after ``taken`` layers: their number then, and whether it made one."""
    makes = _makes_layer(step)
    fixed = counts.get(step.image_id)
    for layer in (True, False):
        after = taken + layer
        if (makes is not None and layer is not makes) or after > len(stack):
            continue
        if fixed is not None and after != fixed:
            continue
        if layer and known.get(stack[taken], step.size) != step.size:
            continue
        yield after, layer


def _possible_sizes(
    stack: tuple[str, ...],
    steps: list[Step],
    counts: Mapping[str, int],
    known: Mapping[str, int],
) -> list[set[int]] | None:
    """For each layer the sizes that some reading of the history gives it; None if none fits.

    A reading walks the steps and takes each as the next layer or as none. ``reached[i]`` are the
    numbers of layers a reading can have taken after i steps; walking back from the full number
    keeps only what leads there.
    """

    def readings(index: int, taken: int) -> Iterator[tuple[int, bool]]:
        return _readings(stack, steps[index], taken, counts, known)

    reached: list[set[int]] = [{0}]
    for index in range(len(steps)):
        reached.append({after for taken in reached[-1] for after, _ in readings(index, taken)})
    if len(stack) not in reached[-1]:
        return None
    choices: list[set[int]] = [set() for _ in stack]
    leading = {len(stack)}
    for index in range(len(steps) - 1, -1, -1):
        before = set()
        for taken in reached[index]:
            for after, layer in readings(index, taken):
                if after in leading:
                    before.add(taken)
                    if layer:
                        choices[taken].add(steps[index].size)
        leading = before
    return choices


def representatives(images: Iterable[Image], stacks: Stacks, known: Mapping[str, int]) -> set[str]:
    """The images whose histories tell all that others cannot be deduced without.

    ``stacks`` are those of all images, ``known`` the sizes of layers known already, by diff ID.
    """
    holders = Counter(diff_id for stack in stacks.values() for diff_id in set(stack))
    covered = set(known)
    asked = set()
    for image in images:
        shared = {diff_id for diff_id in stacks[image.id] if holders[diff_id] > 1}
        if not _plain(image) or shared - covered:
            asked.add(image.id)
            covered |= shared
    return asked


def deduce(
    images: Iterable[Image], stacks: Stacks, known: Mapping[str, int]
) -> dict[str, tuple[int, ...]]:
    """Layer sizes by image ID, of those images whose shared layers are all known.

    Layers that only one image holds count with the topmost of them; the others count as empty.
    """
    holders = Counter(diff_id for stack in stacks.values() for diff_id in set(stack))
    deduced = {}
    for image in images:
        stack = stacks[image.id]
        own = [depth for depth, diff_id in enumerate(stack) if diff_id not in known]
        if not _plain(image) or any(holders[stack[depth]] > 1 for depth in own):
            continue
        sizes = [known.get(diff_id, 0) for diff_id in stack]
        rest = image.size - image.content_size - sum(sizes)
        if rest < 0 or (rest and not own) or len(set(stack)) < len(stack):
            continue
        if own:
            sizes[own[-1]] = rest
        deduced[image.id] = tuple(sizes)
    return deduced


def remainders(
    images: Iterable[Image], stacks: Stacks, known: Mapping[str, int], *, certain: bool
) -> dict[str, Weighing]:
    """Layer sizes by image ID, of images that no history tells: the rest of the size of each.

    ``certain``: the size of an image of any kind is the sum of its layers and nothing else. A rest
    of several layers is given to the topmost of them. It is exact where they come and go together,
    that is, where the same images hold each of them; an image whose size contradicts what is known
    is left out.
    """
    holders: defaultdict[str, set[str]] = defaultdict(set)
    for image_id, stack in stacks.items():
        for diff_id in stack:
            holders[diff_id].add(image_id)
    sizes = dict(known)
    told: dict[str, Weighing] = {}

    def unknown(image: Image) -> list[str]:
        return [diff_id for diff_id in stacks[image.id] if diff_id not in sizes]

    waiting = {image.id: image for image in images}
    while waiting:
        # What one image settles may be all that is open of the next.
        image = waiting.pop(min(waiting, key=lambda each: len(unknown(waiting[each]))))
        stack, own = stacks[image.id], unknown(image)
        rest = image.size - image.content_size - sum(sizes.get(diff_id, 0) for diff_id in stack)
        if rest < 0 or (rest and not own):
            continue
        together = all(holders[diff_id] == holders[own[0]] for diff_id in own)
        plain = (certain or _plain(image)) and len(set(stack)) == len(stack)
        exact = plain and together
        filled = {diff_id: rest if diff_id == own[-1] else 0 for diff_id in own}
        told[image.id] = Weighing(tuple({**sizes, **filled}[d] for d in stack), exact)
        if exact:
            sizes.update(filled)
    return told


def _plain(image: Image) -> bool:
    """Whether the image is one manifest with its content whole, so that its size is its own."""
    blobs = {blob.digest: blob.size for blob in image.blobs or ()}
    return len(image.platforms) <= 1 and bool(blobs) and sum(blobs.values()) == image.content_size
