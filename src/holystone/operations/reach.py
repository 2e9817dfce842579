"""How images are verified, asked about and pulled: on a real engine, or on the demo host."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from holystone.engine.buildkit.control import builds_that_made, forget_builds
from holystone.registry.pull import Images

if TYPE_CHECKING:
    from holystone.demo.host import DemoHost
    from holystone.engine.client import Client
    from holystone.operations.verify import Subject, Verified, Watcher
    from holystone.planner.inventory import Image
    from holystone.registry.probe import Answer
    from holystone.registry.pullable import Pullable


class Verifies(Protocol):
    """Verifies images: ``operations.verify.Verifier``, or a simulated one."""

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
        from holystone.registry.credentials import Credentials

        self.client = client
        self.credentials = Credentials(os.environ)

    def subjects(self, images: Sequence[Image]) -> list[Subject]:
        """The images with their diff IDs, an inspection each."""
        from holystone.operations.verify import read_subjects

        return read_subjects(self.client, images)

    def verifier(self, store: str, watcher: Watcher) -> Verifies:
        """What exports images and holds them to their digests."""
        from holystone.operations.verify import Verifier

        return Verifier(self.client, store, watcher)

    def puller(self) -> Images:
        """What has the engine pull."""
        from holystone.registry.pull import Puller

        return Puller(self.client, self.credentials)

    def pullable(self, image: Image) -> Pullable:
        """What its registry says, asked from here."""
        from holystone.registry.distribution import registries
        from holystone.registry.pullable import pullable

        return pullable(image, registries(self.client, self.credentials))

    def that_made(self, digests: Collection[str]) -> Sequence[bytes] | None:
        """What BuildKit remembers."""
        return builds_that_made(self.client, digests)

    def forget_builds(self, names: Sequence[bytes]) -> None:
        """Delete the records of these builds."""
        forget_builds(self.client, names)

    def ask(self, references: Iterable[str]) -> Mapping[str, Answer]:
        """What registries say, asked by the engine."""
        from holystone.registry.probe import ask

        return ask(self.client, self.credentials, references)

    def now(self) -> float:
        """The time by the engine's own clock."""
        return self.client.clock.now()


class DemoReach:
    """The images of the demo host."""

    def __init__(self, host: DemoHost) -> None:
        self.host = host

    def subjects(self, images: Sequence[Image]) -> list[Subject]:
        """The images, with their layers."""
        from holystone.operations.simulated import subjects_of

        return subjects_of(images)

    def verifier(self, store: str, watcher: Watcher) -> Verifies:  # noqa: ARG002 - it has one store
        """What knows which of them is damaged."""
        from holystone.operations.simulated import SimulatedVerifier

        return SimulatedVerifier(self.host, watcher)

    def puller(self) -> Images:
        """What pulls, at once."""
        from holystone.demo.pulls import DemoPuller

        return DemoPuller(self.host)

    def pullable(self, image: Image) -> Pullable:  # noqa: ARG002 - its registries are whole
        """What its registries have, they have in whole."""
        from holystone.registry.pullable import Pullable

        return Pullable()

    def that_made(self, digests: Collection[str]) -> Sequence[bytes]:  # noqa: ARG002 - see below
        """It remembers no builds."""
        return ()

    def forget_builds(self, names: Sequence[bytes]) -> None:
        """There are none."""

    def ask(self, references: Iterable[str]) -> Mapping[str, Answer]:
        """What its registries say."""
        from holystone.demo.pulls import ask

        return ask(self.host, references)

    def now(self) -> float:
        """The time on this machine."""
        return time.time()
