"""``holystone verify``: find corrupted images, and mend them where a registry can."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from holystone.cli import exit_codes
from holystone.cli.options import Parser, add_engine, add_output
from holystone.cli.session import Failure, answer, open_ledger, warn
from holystone.present import terminal

if TYPE_CHECKING:
    from holystone.engine.host import Host
    from holystone.operations.mending import Mended
    from holystone.operations.reach import Reach
    from holystone.operations.repair import Group
    from holystone.operations.verify import Subject, Verified
    from holystone.planner.inventory import Image, Inventory
    from holystone.present.report.verify import Entry
    from holystone.store.store import Store


def parser() -> argparse.ArgumentParser:
    """The options of ``verify``."""
    made = Parser(
        prog="holystone verify",
        description="Export images as the engine would and hold every layer and config against "
        "its digest. Nothing is changed without --repair.",
        examples=[
            ("holystone verify", "every image"),
            (
                "holystone verify python:3.12-slim --repair",
                "one image; where it is damaged, pull it again",
            ),
        ],
    )
    made.add_argument(
        "references",
        nargs="*",
        default=[],
        metavar="REFERENCE",
        help="only these: a tag, a repository, a pattern like 'team/*', the end of a name, a "
        "digest, or the start of an ID (default: all)",
    )
    made.add_argument(
        "--repair",
        action="store_true",
        help="remove a damaged image, never by force, and pull it again by digest, where its "
        "registry has all of it and no container uses it",
    )
    made.add_argument(
        "--with-cache",
        action="store_true",
        help="repair: also remove the build cache records that hold what is damaged (default: "
        "ask on a terminal, else leave both)",
    )
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Look, verify, repair where asked, tell. Raises EngineError, Failure."""
    if options.with_cache and not options.repair:
        raise Failure("--with-cache: only a repair takes it; add --repair", exit_codes.USAGE)
    from holystone.engine.transport.endpoint import resolve

    endpoint = resolve(options.host, options.context, os.environ)
    if endpoint.scheme == "demo":
        return _verify_demo(endpoint.url, options)
    from holystone.engine.client import Client
    from holystone.engine.transport.connection import connect
    from holystone.operations.digests import keep_names
    from holystone.operations.live_host import LiveHost
    from holystone.operations.reach import LiveReach

    client = Client(endpoint, options.timeout, connect)
    ledger = open_ledger(options)
    host = LiveHost(client, ledger)
    verifying = _Verifying(host, LiveReach(client), ledger, endpoint.url, options)
    try:
        return verifying.run()
    finally:
        host.close()
        # The host forgets what it removed, so only now.
        keep_names(ledger, host.key, verifying.named, host.now())
        ledger.close()


def _verify_demo(endpoint: str, options: argparse.Namespace) -> int:
    from holystone.cli import demo
    from holystone.operations.reach import DemoReach

    with demo.opened(options) as (host, ledger):
        return _Verifying(host, DemoReach(host), ledger, endpoint, options).run()


class _Verifying:
    """One run of the command."""

    def __init__(
        self,
        host: Host,
        reach: Reach,
        ledger: Store,
        endpoint: str,
        options: argparse.Namespace,
    ) -> None:
        self.host = host
        self.reach = reach
        self.ledger = ledger
        self.endpoint = endpoint
        self.options = options
        self.bytes_read = 0
        self.store = ""
        self.named: dict[str, Sequence[str]] = {}
        """The digests that name images which were pulled again, by ID."""

    def run(self) -> int:
        """Verify, and mend where that was asked for; answers the exit code."""
        began = time.monotonic()
        inventory = self.host.observe()
        if not self.options.repair:
            subjects, results = self._look(inventory)
            mended = None
        else:
            with self._locked(inventory):
                subjects, results = self._look(inventory)
                mended = self._repair(results)
        entries = self._entries(inventory, subjects, results, mended)
        self._tell(entries, time.monotonic() - began, mended.interrupted if mended else "")
        return _code(entries, mended)

    def _look(self, inventory: Inventory) -> tuple[list[Subject], dict[str, Verified]]:
        """All images with their layers, and what was found of those asked for."""
        self.store = inventory.engine.store
        chosen = _chosen(inventory, self.options.references)
        subjects = self.reach.subjects(inventory.images)
        asked = [each for each in subjects if each.image.id in chosen]
        others = [each for each in subjects if each.image.id not in chosen]
        # Only a repair needs to know for certain which layers other images have in common.
        return subjects, self._verify(asked, others if self.options.repair else ())

    def _verify(
        self, subjects: Sequence[Subject], beside: Sequence[Subject] = ()
    ) -> dict[str, Verified]:
        from holystone.present.progress import VerifyProgress

        total = _bytes_of(subjects)
        errors = terminal.open_output(sys.stderr, os.environ, color=self.options.color)
        with VerifyProgress(len(subjects), total, errors) as line:
            verifier = self.reach.verifier(self.store, line)
            try:
                return verifier.verify(subjects, beside)
            finally:
                self.bytes_read += verifier.bytes_read

    @contextmanager
    def _locked(self, inventory: Inventory) -> Iterator[None]:
        """Hold the lock of this host. Raises Failure where another run has it."""
        from holystone.store.lock import HostLock, LockHeld, ci_job

        key = f"{inventory.engine.id}/{inventory.engine.store}"
        lock = HostLock(self.ledger.folder, key, warn)
        try:
            held = lock.acquire("verify --repair", job=ci_job(os.environ))
        except LockHeld as error:
            raise Failure(f"{error}. Wait until it has ended.", exit_codes.LOCKED) from None
        with held:
            yield

    def _repair(self, results: Mapping[str, Verified]) -> Mended | None:
        """Mend what is damaged; None where nothing is."""
        from holystone.cli.cache_question import with_cache
        from holystone.operations import repair
        from holystone.operations.verify import DAMAGED

        if all(told.result != DAMAGED for told in results.values()):
            return None
        # Only now: to the engine an export is a use, and what was used since is left alone.
        self.host.watch()
        inventory = self.host.observe()
        subjects = self.reach.subjects(inventory.images)
        made = repair.groups(results, subjects, inventory, results)
        made = repair.prepare(made, self.host, inventory, self.reach.pullable)
        made = with_cache(made, inventory, self.host, self.reach, self.options)
        return self._mend(made, inventory)

    def _mend(self, made: Sequence[Group], inventory: Inventory) -> Mended:
        from holystone.operations import mending, repair
        from holystone.present.progress import PullProgress
        from holystone.store.lock import ci_job

        plan = repair.plan_of(made, inventory)
        run = None
        if plan.steps:
            job = ci_job(os.environ)
            given = ("--with-cache",) if self.options.with_cache else ()
            run = self.ledger.runs.begin(
                plan, inventory, endpoint=self.endpoint, job=job, options=given
            )
        errors = terminal.open_output(sys.stderr, os.environ, color=self.options.color)
        pulls = sum(len(group.subjects) for group in made if not group.obstacle)
        line = PullProgress(range(pulls), errors)
        images = [subject.image for group in made for subject in group.subjects]
        names = [name for image in images for name in image.tags + image.digests]
        key = f"{inventory.engine.id}/{self.store}"
        with self.ledger.own_pulls(key, names, self.reach.now):
            mended = mending.mend(made, plan, self.host, self.reach, self._verify, line, run)
        pinned = {image.id: image.pinned for image in images if image.pinned}
        if self.store == "classic":
            self.named = {now: pinned[was] for was, now in mended.back.items() if was in pinned}
        return mended

    def _entries(
        self,
        inventory: Inventory,
        subjects: Sequence[Subject],
        results: Mapping[str, Verified],
        mended: Mended | None,
    ) -> list[Entry]:
        """What is told of each image, the damaged ones first."""
        from holystone.operations.repair import name_of, users_of
        from holystone.operations.verify import DAMAGED, OK
        from holystone.present.report.verify import Damage, Entry

        entries = []
        for subject in subjects:
            image = subject.image
            told = results.get(image.id)
            if told is None:
                continue
            bad = {d.expected for d in told.damages if d.expected}
            also = [
                each.image
                for each in subjects
                if each.image.id != image.id
                and (not bad.isdisjoint(each.diff_ids) or not bad.isdisjoint(_blobs(each.image)))
            ]
            hit = {image.id, *(each.id for each in also)} if told.result == DAMAGED else set()
            repaired = mended.repaired.get(image.id) if mended else None
            entries.append(
                Entry(
                    image,
                    told.result,
                    tuple(Damage(*damage) for damage in told.damages),
                    told.notes,
                    tuple(map(name_of, also)),
                    tuple(c.name or c.id for c in users_of(inventory.containers, hit)),
                    repaired.result if repaired and told.result == DAMAGED else "",
                    repaired.detail if repaired and told.result == DAMAGED else "",
                    repaired.cure if repaired and told.result == DAMAGED else "",
                )
            )
        return sorted(entries, key=lambda e: (e.result == OK, e.result, name_of(e.image)))

    def _tell(self, entries: Sequence[Entry], seconds: float, interrupted: str) -> None:
        from holystone.present.report import verify as report

        output = terminal.open_output(sys.stdout, os.environ, color=self.options.color)
        if self.options.json:
            from holystone.present import document

            told = report.document(
                entries, bytes_read=self.bytes_read, seconds=seconds, interrupted=interrupted
            )
            answer(output, document.dump(told, indent=output.interactive))
            return
        every = self.options.verbose or bool(self.options.references)
        text = report.render(
            entries,
            output.look,
            bytes_read=self.bytes_read,
            seconds=seconds,
            every=every,
            repairing=self.options.repair,
        )
        answer(output, text)


def _chosen(inventory: Inventory, references: Sequence[str]) -> set[str]:
    """The IDs of the images asked for: all that are not merely a step of a build, by default.

    Raises Failure for what is no image.
    """
    if not references:
        # A step of a build is whole where the image above it is.
        parents = {image.parent for image in inventory.images}
        return {i.id for i in inventory.images if i.tags or i.digests or i.id not in parents}
    from holystone.cli.meaning import images_meant

    return images_meant(inventory.images, references)


def _bytes_of(subjects: Sequence[Subject]) -> int:
    """About how many bytes the exports of these images have."""
    from holystone.operations.verify import batches

    return sum(max(each.weight for each in batch) for batch in batches(subjects))


def _blobs(image: Image) -> set[str]:
    return {blob.digest for blob in image.blobs or ()}


def _code(entries: Sequence[Entry], mended: Mended | None) -> int:
    """1 where damage is left, 3 where a repair failed or something could not be checked."""
    if mended is not None and mended.interrupted:
        return exit_codes.INTERRUPTED
    if any(entry.repair == "failed" for entry in entries):
        return exit_codes.STEPS_FAILED
    if any(entry.result == "damaged" and entry.repair != "repaired" for entry in entries):
        return exit_codes.ERROR
    unchecked = any(entry.result == "unchecked" for entry in entries)
    return exit_codes.STEPS_FAILED if unchecked else exit_codes.DONE
