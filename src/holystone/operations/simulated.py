"""Verifying the images of the demo host: one of them has a damaged layer."""

from __future__ import annotations

from collections.abc import Sequence

from holystone.demo.host import DemoHost
from holystone.demo.making import hexadecimal
from holystone.operations.digest_check import Damage
from holystone.operations.verify import DAMAGED, OK, Subject, Verified, Watcher
from holystone.planner.inventory import Image


def subjects_of(images: Sequence[Image]) -> list[Subject]:
    """The images to verify. Their chain IDs stand for the diff IDs, which the demo host lacks."""
    return [
        Subject(image, tuple(layer.chain_id for layer in image.layers or ())) for image in images
    ]


class SimulatedVerifier:
    """Verifies images of the demo host, at once."""

    def __init__(self, host: DemoHost, watcher: Watcher) -> None:
        self.host = host
        self.watcher = watcher
        self.bytes_read = 0

    def verify(
        self,
        subjects: Sequence[Subject],
        beside: Sequence[Subject] = (),  # noqa: ARG002 - it knows which layer is damaged
    ) -> dict[str, Verified]:
        """What is with each image, by ID; each layer is read once."""
        layers = {
            layer.chain_id: layer.size for each in subjects for layer in each.image.layers or ()
        }
        self.bytes_read = sum(layers.values())
        self.watcher.moved(self.bytes_read)
        self.watcher.settled(len(subjects))
        return {each.image.id: self._verified(each) for each in subjects}

    def _verified(self, subject: Subject) -> Verified:
        """Damaged is the topmost layer, which no other image holds."""
        if subject.image.id not in self.host.damaged:
            return Verified(OK)
        layer = subject.diff_ids[-1]
        damage = Damage("layer", layer, f"sha256:{hexadecimal(f'damaged {layer}')}")
        return Verified(DAMAGED, (damage,), suspects=(layer,))
