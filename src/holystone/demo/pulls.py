"""Pulling on the demo host, and asking its registries."""

from __future__ import annotations

from collections.abc import Iterable

from holystone.demo.host import DemoHost
from holystone.planner.names import Names
from holystone.planner.reference import parse
from holystone.registry.probe import Answer
from holystone.registry.pull import Progress, PullCancelled, PullFailed


class DemoPuller:
    """Pulls and names the images of the demo host; see ``registry.pull.Images``."""

    keeps_digests = True

    def __init__(self, host: DemoHost) -> None:
        self.host = host
        self._cancelled = False

    def pull(
        self,
        reference: str,
        progress: Progress,
        *,
        platform: str = "",  # noqa: ARG002 - its images have one
    ) -> str:
        """Pull a reference, at once; answers the image's ID. Raises PullFailed, PullCancelled."""
        if self._cancelled:
            raise PullCancelled("interrupted")
        image = self.host.shelves.get(reference)
        if image is None:
            raise PullFailed(f"manifest for {reference} not found: manifest unknown")
        size = self.host.missing_bytes(image)
        self.host.pulled(image, reference)
        progress(size, size)
        return image.id

    def image_id(self, reference: str) -> str | None:
        """The ID of the image a reference means now; None where there is none."""
        return Names(tuple(self.host.images.values())).behind(reference) or None

    def references(self, image_id: str) -> set[str] | None:
        """The tags and digests of an image; None where it is not there."""
        image = self.host.images.get(image_id)
        return None if image is None else {*image.tags, *image.digests}

    def tag(self, image_id: str, tag: str) -> str:
        """Give an image a tag, unless another image has it; answers that image's ID, else empty."""
        holder = self.image_id(tag)
        if holder is not None:
            return "" if holder == image_id else holder
        self.host.tag(image_id, tag)
        return ""

    def cancel(self) -> None:
        """Let no pull begin any more."""
        self._cancelled = True


def ask(host: DemoHost, references: Iterable[str]) -> dict[str, Answer]:
    """What the registries of the demo host say of complete references."""
    answers = {}
    for reference in references:
        image = host.shelves.get(reference)
        if image is None:
            said = f"{parse(reference).domain} says 'manifest unknown'"
            answers[reference] = Answer(has=False, said=said)
        else:
            digests = frozenset(each.partition("@")[2] for each in image.digests)
            answers[reference] = Answer(has=True, digests=digests)
    return answers
