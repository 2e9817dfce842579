"""One run of a command: its options, its host, its terminal; and how errors end it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from holystone.cli import exit_codes
from holystone.engine.errors import EngineError, EngineUnreachable
from holystone.outside.text import safe_lines, safe_message
from holystone.planner.units import format_size

if TYPE_CHECKING:
    from holystone.engine.client import Client
    from holystone.engine.host import Host
    from holystone.planner.inventory import Inventory
    from holystone.planner.policy import Policy
    from holystone.planner.verdict import Plan
    from holystone.present.terminal import Output
    from holystone.store.store import Store


_PATIENCE = 2.0
"""Seconds of silence from an engine before a person is told."""


class Failure(Exception):
    """Ends the command with a message for the user and an exit code."""

    def __init__(self, message: str, code: int = exit_codes.ERROR) -> None:
        super().__init__(message)
        self.code = code


def run(name: str, arguments: Sequence[str]) -> int:
    """Run the command of this name; answers the exit code."""
    command = import_module(f"holystone.cli.{name}")
    try:
        options = command.parser().parse_args(arguments)
    except SystemExit as leaving:
        from holystone.cli.answer import tell

        tell(sys.stdout.write, "")  # The help is on its way.
        return int(leaving.code or exit_codes.DONE)
    try:
        code: int = command.run(options)
    except KeyboardInterrupt:
        return _fail("interrupted", exit_codes.INTERRUPTED, options)
    except Failure as error:
        return _fail(str(error), error.code, options)
    except EngineUnreachable as error:
        return _fail(str(error), exit_codes.ENGINE_UNREACHABLE, options)
    except EngineError as error:
        return _fail(str(error), exit_codes.ERROR, options)
    except Exception as error:  # noqa: BLE001 - a user has no use for a traceback
        fault = f"an error in holystone itself, {type(error).__name__}: {error}."
        return _fail(f"{fault} Please report it with what -v shows.", exit_codes.ERROR, options)
    else:
        return code


def _fail(message: str, code: int, options: argparse.Namespace) -> int:
    if getattr(options, "verbose", False) and code != exit_codes.INTERRUPTED:
        import traceback

        with suppress(OSError):
            sys.stderr.write(safe_lines(traceback.format_exc()))
    warn(message)
    return code


def warn(message: str) -> None:
    """A note on standard error that does not end the run, made safe."""
    with suppress(OSError):
        sys.stderr.write(f"{safe_message(f'holystone: {message}')}\n")


def answer(output: Output, text: str, *, marked: bool = False) -> None:
    """Write what the command was asked for. Raises Failure where nothing takes it.

    ``marked``: it is safe, and has marks for a CI system's log.
    """
    from holystone.cli.answer import tell

    if trouble := tell(output.write_marked if marked else output.write, text):
        raise Failure(trouble)


class Session(NamedTuple):
    """One host at hand, and what is remembered of it."""

    host: Host
    endpoint: str
    """Where the host is, as people write it."""
    ledger: Store
    """Of the demo host one that is gone with the command, unless a state folder was named."""
    untagged_do: bool = False
    """Whether images with a tag need not be listed."""
    is_demo: bool = False


@contextmanager
def opened(
    options: argparse.Namespace,
    *,
    watch: bool = False,
    sizes: bool = False,
    untagged_do: bool = False,
) -> Iterator[Session]:
    """The host the options and the environment name, closed at the end. Raises EngineError.

    The engine is asked for its lists before this returns, with ``watch`` after its events: import
    what else the command needs inside, while the engine works. ``untagged_do``: the command
    needs no images but those without a tag; see ``needs_untagged_alone``.
    """
    from holystone.engine.transport.endpoint import resolve

    endpoint = resolve(options.host, options.context, os.environ)
    if endpoint.scheme == "demo":
        with _demo(options, endpoint.url) as session:
            yield session
        return
    from holystone.engine.client import Client
    from holystone.engine.lists import Lists
    from holystone.engine.transport.connection import connect

    client = Client(endpoint, options.timeout, connect)
    try:
        with _patience():
            client.negotiate()
    except EngineUnreachable as error:
        if not getattr(options, "or_demo", False):
            raise
        warn(f"{error}\nThis is the built-in demo host instead; nothing of it is real.")
        with _demo(options, "demo:") as session:
            yield session
        return
    events = None
    if watch:
        from holystone.engine.events import EventStream

        events = EventStream(client)
    ledger = open_ledger(options)
    mark = _recall_engine(client, ledger)
    known = client.info
    lists = Lists(client, sizes=sizes, untagged=untagged_do)

    from holystone.operations.live_host import LiveHost

    host = LiveHost(client, ledger, events=events, lists=lists)
    try:
        yield Session(host, endpoint.url, ledger, untagged_do)
    finally:
        host.close()
        if mark and client.info is not None and client.info is not known:
            ledger.remember_engine(mark, client.info, time.time())
        ledger.close()


def _recall_engine(client: Client, ledger: Store) -> str:
    """Tell the client what is remembered of its engine; what that is known by, if it is kept."""
    version = client.negotiate()
    if not version.podman or client.endpoint.scheme != "unix":
        return ""
    from holystone.store.engines import mark

    known_by = mark(client.endpoint.address, version.engine)
    client.info = ledger.recall_engine(known_by, time.time()) if known_by else None
    return known_by


def open_ledger(options: argparse.Namespace) -> Store:
    """The ledger that ``--state`` or the environment names; its file is opened at first use."""
    from holystone.store.folder import default_folder
    from holystone.store.store import Store

    return Store(options.state or default_folder(os.environ), warn)


@contextmanager
def _patience() -> Iterator[None]:
    """Say on a terminal what is waited for, where that takes long."""
    if not sys.stderr or not sys.stderr.isatty():
        yield
        return
    from threading import Timer

    said = Timer(_PATIENCE, warn, ["waiting for the engine to answer (Ctrl-C ends it) ..."])
    said.daemon = True
    said.start()
    try:
        yield
    finally:
        said.cancel()


@contextmanager
def _demo(options: argparse.Namespace, endpoint: str) -> Iterator[Session]:
    from holystone.cli import demo

    with demo.opened(options) as (host, ledger):
        yield Session(host, endpoint, ledger, is_demo=True)


def survey(
    host: Host,
    policy: Policy,
    *,
    sizes: bool = False,
    layers: bool = False,
    every: bool = True,
    inventory: Inventory | None = None,
    about: Collection[str] | None = None,
) -> tuple[Inventory, Plan]:
    """Observe a host, unless that was done, and plan for it. Raises EngineError, Failure.

    What costs the engine an answer for each image is asked only where the plan depends on it: when
    images lost their tag, where young ones are spared, and layers, where images are to go. With
    ``layers`` the inventory has them in any case. Without ``every`` images with a tag are listed
    only where some image goes: its bytes take all that share its layers. Registries are asked about
    the images that would go if they could come back; without a target about no others than those
    in ``about``, where that is given.
    """
    from holystone.planner.plan import plan

    if inventory is None:
        inventory = look(host, policy, sizes=sizes, every=every)
    _check_target(inventory, policy)
    if policy.takes.tagged != "none" or policy.target is not None:
        inventory = host.date_tagged(inventory)
    if policy.grace.once_tagged > 0 or policy.grace.never_tagged > 0:
        inventory = host.date(inventory)
    if layers or policy.takes.tagged != "none" or policy.target is not None:
        # What registries said lately is remembered: nothing is asked here.
        inventory = host.confirm(inventory, ())
    if not layers and policy.target is None:
        draft = plan(inventory, host.usage(), policy, inventory.taken_at)
        if not draft.unconfirmed and not _needs_images(draft, inventory):
            return inventory, draft
        if inventory.partial:
            return survey(host, policy, sizes=sizes)
    inventory = host.weigh(inventory)
    asked: set[str] = set()
    while True:
        made = plan(inventory, host.usage(), policy, inventory.taken_at)
        anyone = about is None or policy.target is not None
        wanted = [each for each in made.unconfirmed if anyone or each in (about or ())]
        if asked.issuperset(wanted):
            return inventory, made
        asked.update(wanted)
        inventory = host.confirm(inventory, wanted)


def _check_target(inventory: Inventory, policy: Policy) -> None:
    """Raise Failure for a target that cannot be seen from here, or that is above the disk."""
    if policy.target is not None and inventory.disk.free_bytes is None:
        from holystone.present.format import safe

        raise Failure(
            "a target needs to see how full the engine's disk is, and that disk is not in sight: "
            f"{safe(inventory.disk.unseen) or 'it is not on this machine'}. Run holystone beside "
            "the engine; in a container mount the engine's data folder at its own path, read-only."
        )
    if policy.target is not None and inventory.disk.total_bytes is not None:
        least = policy.target.least_free(inventory.disk.total_bytes) or 0
        if least > inventory.disk.total_bytes:
            raise Failure(
                f"the disk has {format_size(inventory.disk.total_bytes)} in all, so "
                f"{format_size(least)} of it cannot be free. Ask for less with --until-free.",
                exit_codes.USAGE,
            )


def _needs_images(draft: Plan, inventory: Inventory) -> bool:
    """Whether the plan, or its bytes, take more of all images than was asked for."""
    kinds = {step.kind for step in draft.steps}
    # Build cache may share its layers, or their blobs, with any image.
    copies = inventory.engine.store == "containerd"
    return "image" in kinds or ("cache" in kinds and (inventory.partial or copies))


def needs_untagged_alone(policy: Policy) -> bool:
    """Whether a plan with this policy lets no image go that has a tag."""
    return policy.takes.tagged == "none" and policy.target is None


def look(host: Host, policy: Policy, *, sizes: bool = False, every: bool = True) -> Inventory:
    """Observe a host for a plan with this policy. Raises EngineError."""
    with _patience():
        return host.observe(sizes=sizes or policy.takes.volumes, every=every)
