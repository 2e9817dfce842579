"""Verify images, ask about them and pull them: on a real engine, or on the demo host."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol, cast

from holystone.demo.host import DemoHost, DemoPuller, ask
from holystone.demo.images import hexadecimal
from holystone.engine.buildkit.control import builds_that_made, forget_builds
from holystone.engine.client import Client
from holystone.operations.connect import Session
from holystone.operations.digest_check import Damage
from holystone.operations.live_host import LiveHost
from holystone.operations.verifier import (
    DAMAGED,
    OK,
    Subject,
    Verified,
    Verifier,
    Watcher,
    read_subjects,
)
from holystone.planner.inventory import Image
from holystone.registry import probe
from holystone.registry.credentials import Credentials
from holystone.registry.distribution import registries
from holystone.registry.probe import Answer
from holystone.registry.pull import Images, Puller
from holystone.registry.pullable import Pullable, pullable


class Verifies(Protocol):
    """Verifies images: ``Verifier``, or a simulated one."""

    bytes_read: int

    def verify(
        self, subjects: Sequence[Subject], beside: Sequence[Subject] = ()
    ) -> dict[str, Verified]:
        """What is with each image, by ID; ``beside`` are others that may tell more of them."""


class Reach(Protocol):
    """What ``verify`` and ``refresh`` need of a host beside ``Host``."""

    def subjects(self, images: Sequence[Image]) -> list[Subject]:
        """The images with what they are held against. Raises EngineError."""

    def verifier(self, store: str, watcher: Watcher) -> Verifies:
        """What verifies the images of this kind of store."""

    def puller(self) -> Images:
        """What pulls and names images."""

    def pullable(self, image: Image) -> Pullable:
        """Whether an image can be pulled in whole. Raises EngineError."""

    def that_made(self, digests: Collection[str]) -> Sequence[bytes] | None:
        """The builds, by name, whose results have any of these digests; None where none can tell.

        Raises EngineError.
        """

    def forget_builds(self, names: Sequence[bytes]) -> None:
        """Have BuildKit forget builds. Raises EngineError."""

    def ask(self, references: Iterable[str]) -> Mapping[str, Answer]:
        """What registries say of complete references."""

    def now(self) -> float:
        """The time by the engine's own clock, UTC seconds."""


class LiveReach:
    """The images of a real engine."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.credentials = Credentials(os.environ)

    def subjects(self, images: Sequence[Image]) -> list[Subject]:
        """The images with their diff IDs, an inspection each."""
        return read_subjects(self.client, images)

    def verifier(self, store: str, watcher: Watcher) -> Verifies:
        """What exports images and holds them to their digests."""
        return Verifier(self.client, store, watcher)

    def puller(self) -> Images:
        """What has the engine pull."""
        return Puller(self.client, self.credentials)

    def pullable(self, image: Image) -> Pullable:
        """What its registry says, asked from here."""
        return pullable(image, registries(self.client, self.credentials))

    def that_made(self, digests: Collection[str]) -> Sequence[bytes] | None:
        """What BuildKit remembers."""
        return builds_that_made(self.client, digests)

    def forget_builds(self, names: Sequence[bytes]) -> None:
        """Delete the records of these builds."""
        forget_builds(self.client, names)

    def ask(self, references: Iterable[str]) -> Mapping[str, Answer]:
        """What registries say, asked by the engine."""
        return probe.ask(self.client, self.credentials, references)

    def now(self) -> float:
        """The time by the engine's own clock."""
        return self.client.clock.now()


class DemoReach:
    """The images of the demo host."""

    def __init__(self, host: DemoHost) -> None:
        self.host = host

    def subjects(self, images: Sequence[Image]) -> list[Subject]:
        """The images. Their chain IDs stand for the diff IDs, which the demo host lacks."""
        return [
            Subject(image, tuple(layer.chain_id for layer in image.layers or ()))
            for image in images
        ]

    def verifier(self, store: str, watcher: Watcher) -> Verifies:  # noqa: ARG002 - it has one store
        """What knows which of them is damaged."""
        return SimulatedVerifier(self.host, watcher)

    def puller(self) -> Images:
        """What pulls, at once."""
        return DemoPuller(self.host)

    def pullable(self, image: Image) -> Pullable:  # noqa: ARG002 - its registries are whole
        """What its registries have, they have in whole."""
        return Pullable()

    def that_made(self, digests: Collection[str]) -> Sequence[bytes]:  # noqa: ARG002 - see below
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


def reach_of(session: Session) -> Reach:
    """What the host of a session has beside ``Host``."""
    if isinstance(session.host, DemoHost):
        return DemoReach(session.host)
    return LiveReach(cast("LiveHost", session.host).client)
