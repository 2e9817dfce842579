"""Verify images, ask registries about them and pull them, on a real engine or the demo host."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import cast

from holystone.demo.host import DemoHost, DemoPuller, ask
from holystone.demo.images import hexadecimal
from holystone.engine.buildkit import builds_that_made, forget_builds
from holystone.engine.client import Client
from holystone.operations.connect import Session
from holystone.operations.digest_check import Damage
from holystone.operations.live_host import LiveHost
from holystone.operations.verifier import (
    DAMAGED,
    OK,
    Entry,
    Subject,
    Verifier,
    Watcher,
    read_subjects,
)
from holystone.planner.inventory import Image
from holystone.registry.credentials import Credentials
from holystone.registry.distribution import registries
from holystone.registry.probe import Answer, Asker
from holystone.registry.pull import Images, Puller
from holystone.registry.pullable import Pullable, pullable


class LiveReach:
    """The images of a real engine. All but ``puller`` and ``now`` raise EngineError."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.credentials = Credentials(os.environ)

    def subjects(self, images: Sequence[Image]) -> list[Subject]:
        """The images with their diff IDs, an inspection each."""
        return read_subjects(self.client, images)

    def verify(
        self, store: str, watcher: Watcher, subjects: Sequence[Subject], beside: Sequence[Subject]
    ) -> tuple[dict[str, Entry], int]:
        """What was found of each image by its ID, and the bytes read; see ``Verifier``."""
        verifier = Verifier(self.client, store, watcher)
        return verifier.verify(subjects, beside), verifier.bytes_read

    def puller(self) -> Images:
        """What has the engine pull and name images."""
        return Puller(self.client, self.credentials)

    def pullable(self, image: Image) -> Pullable:
        """Whether an image can be pulled in whole: its registry is asked from here."""
        return pullable(image, registries(self.client, self.credentials))

    def that_made(self, digests: Collection[str]) -> Sequence[bytes] | None:
        """The builds, by name, whose results have any of these; None where none can tell."""
        return builds_that_made(self.client, digests)

    def forget_builds(self, names: Sequence[bytes]) -> None:
        """Have BuildKit forget builds."""
        forget_builds(self.client, names)

    def ask(self, references: Iterable[str]) -> Mapping[str, Answer]:
        """What registries say of complete references, asked by the engine."""
        asker = Asker(self.client, self.credentials)
        return asker.ask((reference,) for reference in references)

    def now(self) -> float:
        """The time by the engine's own clock, UTC seconds."""
        return self.client.clock.now()


class DemoReach:
    """The images of the demo host, in the same words. Its registries and builds are whole."""

    def __init__(self, host: DemoHost) -> None:
        self.host = host

    def subjects(self, images: Sequence[Image]) -> list[Subject]:
        """The images. Their chain IDs stand for the diff IDs, which the demo host lacks."""
        return [
            Subject(image, tuple(layer.chain_id for layer in image.layers or ()))
            for image in images
        ]

    def verify(
        self,
        store: str,  # noqa: ARG002 - it has one
        watcher: Watcher,
        subjects: Sequence[Subject],
        beside: Sequence[Subject],  # noqa: ARG002 - it knows which layer is damaged
    ) -> tuple[dict[str, Entry], int]:
        """What is with each image; each layer is read once."""
        layers = {e.chain_id: e.size for each in subjects for e in each.image.layers or ()}
        size = sum(layers.values())
        watcher.moved(size)
        watcher.settled(len(subjects))
        return {each.image.id: self._verified(each) for each in subjects}, size

    def _verified(self, subject: Subject) -> Entry:
        """Damaged is the topmost layer, which no other image holds."""
        if subject.image.id not in self.host.damaged:
            return Entry(subject.image, OK)
        layer = subject.diff_ids[-1]
        damage = Damage("layer", layer, f"sha256:{hexadecimal(f'damaged {layer}')}")
        return Entry(subject.image, DAMAGED, (damage,), suspects=(layer,))

    def puller(self) -> Images:
        """What pulls, at once."""
        return DemoPuller(self.host)

    def pullable(self, image: Image) -> Pullable:  # noqa: ARG002 - all are
        """What its registries have, they have in whole."""
        return Pullable()

    def that_made(self, digests: Collection[str]) -> Sequence[bytes] | None:  # noqa: ARG002 - none
        """It remembers no builds."""
        return ()

    def forget_builds(self, names: Sequence[bytes]) -> None:
        """There are none."""

    def ask(self, references: Iterable[str]) -> Mapping[str, Answer]:
        """What its registries say."""
        return ask(self.host, references)

    def now(self) -> float:
        """The time on this machine."""
        return time.time()


Reach = LiveReach | DemoReach
"""What ``restore``, ``verify`` and ``refresh`` need of a host beside ``Host``."""


def reach_of(session: Session) -> Reach:
    """What the host of a session has beside ``Host``."""
    if isinstance(session.host, DemoHost):
        return DemoReach(session.host)
    return LiveReach(cast("LiveHost", session.host).client)
