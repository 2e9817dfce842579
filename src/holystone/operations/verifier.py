"""Find damaged images: export each from the engine, and compare it with its digests.

Images that share layers are exported together, so that a layer comes once. Where such an export
shows damage it is asked for again in halves, until it is known which images are damaged.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from holystone.engine.client import Client
from holystone.engine.errors import EngineError, EngineUnreachable, ProtocolError
from holystone.engine.transport.http import Connection
from holystone.operations.digest_check import Damage, Findings, check, first_missing, misnamed
from holystone.operations.image_archive import Archive, read_archive
from holystone.operations.workers import side_by_side
from holystone.outside.text import words_of
from holystone.planner.inventory import Image

OK = "ok"
DAMAGED = "damaged"
UNCHECKED = "unchecked"
EXPORTS_AT_A_TIME = 2
_LARGEST_EXPORT = 4 << 30
"""Bytes of the layers of images exported together: classic engines and Podman write them to their
disk first."""
_MOST_TOGETHER = 40
_ROUNDS_BESIDE = 2
"""How often other images are exported to find the damaged layer."""
_NOT_FOUND = 404
_NO_DAMAGE = ("no space left", "disk quota", "too many open files", "cannot allocate memory")
"""With these words an engine reports its own trouble, and nothing about the image."""
_CANNOT_EXPORT = "empty export - not implemented"
"""What a classic engine says of an image without layers (moby ``image/tarexport/save.go``)."""


class Subject(NamedTuple):
    """An image to verify."""

    image: Image
    diff_ids: tuple[str, ...]
    """Bottom first, as the engine reports them; none if it does not."""

    @property
    def weight(self) -> int:
        """About how many bytes its export has."""
        return self.image.content_size or self.image.size

    @property
    def parts(self) -> set[str]:
        """The digests of what it holds: diff IDs, and blobs."""
        return {*self.diff_ids, *(blob.digest for blob in self.image.blobs or ())}


@dataclass(frozen=True, slots=True)
class Entry:
    """One image, its findings, and the result of its repair."""

    image: Image
    result: str
    """``ok``, ``damaged`` or ``unchecked``: as it was found, before any repair."""
    damages: tuple[Damage, ...] = ()
    notes: tuple[str, ...] = ()
    """What was not checked and why."""
    suspects: tuple[str, ...] = ()
    """The diff IDs of a damaged image that no check has found whole."""
    also: tuple[str, ...] = ()
    """References, or IDs, of other images that hold a damaged layer."""
    containers: tuple[str, ...] = ()
    """Names of the containers made from any of them."""
    repair: str = ""
    """``repaired`` or ``failed``; empty where none was tried."""
    repair_detail: str = ""
    repair_cure: str = ""
    """What to do where it failed: a sentence."""


class Watcher(Protocol):
    """Is told how far it is. Called from several threads."""

    def moved(self, count: int) -> None:
        """So many more bytes have been read."""

    def settled(self, count: int) -> None:
        """So many more images are done with."""


def read_subjects(client: Client, images: Sequence[Image]) -> list[Subject]:
    """The images with their diff IDs, an inspection each. Raises EngineError."""
    requests = [("GET", client.versioned(f"/images/{image.id}/json")) for image in images]
    subjects = []
    for image, answer in zip(images, client.send(requests), strict=True):
        told = answer.json() if answer.status < 300 else None
        rootfs = told.get("RootFS") if isinstance(told, dict) else None
        layers = rootfs.get("Layers") if isinstance(rootfs, dict) else None
        subjects.append(Subject(image, tuple(map(str, layers or ()))))
    return subjects


def batches(subjects: Iterable[Subject]) -> Iterator[list[Subject]]:
    """The images in exports: those with the same lowest layer together, up to a size."""
    batch: list[Subject] = []
    weight = 0
    for subject in sorted(subjects, key=lambda each: (each.diff_ids, each.image.id)):
        related = batch and batch[-1].diff_ids[:1] == subject.diff_ids[:1] != ()
        fits = weight + subject.weight <= _LARGEST_EXPORT and len(batch) < _MOST_TOGETHER
        if batch and not (related and fits):
            yield batch
            batch, weight = [], 0
        batch.append(subject)
        weight += subject.weight
    if batch:
        yield batch


class Verifier:
    """Verifies images of one engine."""

    def __init__(self, client: Client, store: str, watcher: Watcher) -> None:
        """``store`` is that of ``Engine.store``."""
        client.negotiate()
        self.store = store
        self.client = client
        self.watcher = watcher
        self.bytes_read = 0
        self.results: dict[str, Entry] = {}
        self._asked: set[str] = set()
        """The IDs of the images that were asked for."""
        self._whole: set[str] = set()
        """Diff IDs of layers found whole in this run."""
        self._damaged: dict[str, Damage] = {}
        """Damaged layers by diff ID."""
        self._lock = threading.Lock()
        self._under_way: set[Connection] = set()
        self._stopped = False

    def verify(
        self, subjects: Sequence[Subject], beside: Sequence[Subject] = ()
    ) -> dict[str, Entry]:
        """What is with each image, by ID; two exports at a time.

        ``beside`` are other images. Where it is not known which layer of a damaged image it is,
        some of these are exported too: a layer that one of them has whole is not it. Raises
        EngineUnreachable where the engine is gone, KeyboardInterrupt once all has ended.
        """
        self._asked = {subject.image.id for subject in subjects}
        self._verify_all(subjects)
        for _ in range(_ROUNDS_BESIDE):
            if not (telling := self._telling(subjects, beside)):
                break
            self._verify_all(telling)
        return {each.image.id: self._concluded(each) for each in subjects}

    def _telling(self, subjects: Sequence[Subject], beside: Sequence[Subject]) -> list[Subject]:
        """Of the others the smallest that hold a layer of which it is not known if it is whole."""
        damaged = [each for each in subjects if self.results[each.image.id].result == DAMAGED]
        unclear = [set(each.diff_ids) - self._whole - self._damaged.keys() for each in damaged]
        wanted = set[str]().union(*unclear)
        found: dict[str, Subject] = {}
        for each in sorted(beside, key=lambda subject: subject.weight):
            if each.image.id not in self.results and (new := wanted.intersection(each.diff_ids)):
                found[each.image.id] = each
                wanted -= new
        return list(found.values())

    def _verify_all(self, subjects: Sequence[Subject]) -> None:
        """Settle these images. Raises as ``verify``."""
        work = list(batches(subjects))
        count = 1 if self.client.endpoint.scheme == "ssh" else EXPORTS_AT_A_TIME
        if side_by_side(
            len(work), lambda at: self._verify(work[at]), parallel=count, cancel=self._stop
        ):
            raise KeyboardInterrupt

    def _concluded(self, subject: Subject) -> Entry:
        """A result with what is known at the end of which layers it can be."""
        told = self.results[subject.image.id]
        if told.result != DAMAGED:
            return told
        suspects = tuple(each for each in subject.diff_ids if each not in self._whole)
        damages = tuple(self._pinned(damage, suspects) for damage in told.damages)
        return replace(told, damages=damages, suspects=suspects)

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            for connection in self._under_way:
                with suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)

    def _verify(self, batch: Sequence[Subject]) -> None:
        """Settle these images: by one export, else by one of each half."""
        left = [subject for subject in batch if not self._is_known(subject)]
        if not left or self._stopped:
            return
        try:
            archive, refused, status = self._export(left)
        except EngineUnreachable:
            self._stopped = True
            raise
        except EngineError as error:
            archive, refused, status = None, str(error), 0
        fault = archive.fault if archive is not None else refused
        if not fault and archive is not None:
            podman = self.store == "podman"
            found = [
                (each, check(archive, each.image.id, each.diff_ids, podman=podman)) for each in left
            ]
            # Podman names the images of an archive by what it makes of their configs.
            if len(left) == 1 or all(findings.exported for _, findings in found):
                for subject, findings in found:
                    self._note(subject, findings)
                return
        if len(left) > 1:
            # The few layers first: what they prove or disprove is known of the others then.
            left.sort(key=lambda each: len(each.diff_ids))
            self._verify(left[: len(left) // 2])
            self._verify(left[len(left) // 2 :])
        else:
            self._note_fault(left[0], archive, fault, status)

    def _is_known(self, subject: Subject) -> bool:
        """Whether an image has a layer that is known to be damaged; then it is settled."""
        known = [self._damaged[each] for each in subject.diff_ids if each in self._damaged]
        if known:
            self._settle(subject, DAMAGED, known)
        return bool(known)

    def _export(self, subjects: Sequence[Subject]) -> tuple[Archive | None, str, int]:
        """The archive; or none, with the engine's words and status. Raises EngineError."""
        path = f"/images/{subjects[0].image.id}/get"
        if len(subjects) > 1:
            names = "&".join(f"names={subject.image.id}" for subject in subjects)
            path = f"/images/get?{names}"
        client = self.client.sibling()
        connection = client.open()
        try:
            with self._lock:
                self._under_way.add(connection)
            if self._stopped:
                raise ProtocolError("interrupted")
            connection.send("GET", client.versioned(path))
            status = connection.receive_head()
            if status >= 400:
                return None, connection.receive_rest().words(), status
            return read_archive(connection.receive_pieces(), self._moved), "", status
        except OSError as error:
            raise ProtocolError(
                f"the connection broke in the middle of an export: {words_of(error)}"
            ) from None
        finally:
            with self._lock:
                self._under_way.discard(connection)
            connection.close()

    def _moved(self, count: int) -> None:
        with self._lock:
            self.bytes_read += count
        self.watcher.moved(count)

    def _note(self, subject: Subject, findings: Findings) -> None:
        with self._lock:
            self._whole |= findings.proven
            for damage in findings.damages:
                if damage.part == "layer" and damage.expected in subject.diff_ids:
                    self._damaged[damage.expected] = damage
        whole = OK if findings.exported else UNCHECKED
        result = DAMAGED if findings.damages else whole
        self._settle(subject, result, findings.damages, findings.notes)

    def _note_fault(
        self, subject: Subject, archive: Archive | None, fault: str, status: int
    ) -> None:
        """Settle one image that the engine did not export to the end."""
        note = ""
        if status == _NOT_FOUND and "no such image" in fault.lower():
            note = "it was removed meanwhile"
        elif _CANNOT_EXPORT in fault:
            note = f"the engine cannot export an image of this kind: {fault}"
        # An answer that was cut tells nothing of the image; one that the engine ended does.
        elif status == 0 or any(words in fault.lower() for words in _NO_DAMAGE):
            note = fault
        if note:
            self._settle(subject, UNCHECKED, notes=(note,))
            return
        damages: list[Damage] = []
        if archive is not None:
            damages = [each._replace(words=fault) for each in misnamed(archive)]
            missing = first_missing(archive, subject.image.id)
            if missing and not damages and self.store == "containerd":
                damages = [Damage("blob", missing, "", fault)]
        if not damages:
            suspects = [each for each in subject.diff_ids if each not in self._whole]
            damages = [self._pinned(Damage("image", words=fault), suspects)]
            if damages[0].part == "layer":
                with self._lock:
                    self._damaged[suspects[0]] = damages[0]
        self._settle(subject, DAMAGED, damages)

    def _pinned(self, damage: Damage, suspects: Sequence[str]) -> Damage:
        """The damage with the layer it must be in, where all others are whole.

        A classic engine or Podman stumbles over layers only; what it lists it has read the config
        of. The containerd store exports the blobs of a manifest, and may stumble over any.
        """
        if damage.part == "image" and len(suspects) == 1 and self.store != "containerd":
            return damage._replace(part="layer", expected=suspects[0])
        return damage

    def _settle(
        self,
        subject: Subject,
        result: str,
        damages: Sequence[Damage] = (),
        notes: tuple[str, ...] = (),
    ) -> None:
        self.results[subject.image.id] = Entry(subject.image, result, tuple(damages), notes)
        if subject.image.id in self._asked:
            self.watcher.settled(1)
