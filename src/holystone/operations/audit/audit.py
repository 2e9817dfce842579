"""Give a name to every byte of the disk that an engine's data is on. Nothing is changed."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable

from holystone.engine.log_limits import log_limits
from holystone.engine.transport.endpoint import DOCKER_SOCKET
from holystone.engine.volume_folder import volume_folder
from holystone.operations.audit.by_lists import account_by_lists
from holystone.operations.audit.deleted import deleted
from holystone.operations.audit.disks import Disk, disks_of
from holystone.operations.audit.facts import Facts, facts_of
from holystone.operations.audit.hidden import Hidden, doubt, hidden
from holystone.operations.audit.naming import Naming
from holystone.operations.audit.record import Account, Audit, Entry, Kind, total
from holystone.operations.audit.rest import folders
from holystone.operations.audit.runner_caches import with_runner_caches
from holystone.operations.connect import Session
from holystone.operations.errors import RequestError
from holystone.operations.live_host import LiveHost
from holystone.outside.deleted_files import deleted_files
from holystone.outside.disk_walk import DiskWalk
from holystone.outside.heaps import Heap
from holystone.outside.text import safe
from holystone.planner.inventory import Inventory
from holystone.store.audits import AuditSum

_USUAL = f"unix://{DOCKER_SOCKET}"
_DESKTOP = "docker-desktop"
"""What Docker Desktop calls the machine that its engine runs in."""

Watch = Callable[[DiskWalk], None]
"""Called with each walk before it begins: how many files it has seen may be read meanwhile."""


def audit(session: Session, watch: Watch = lambda _: None) -> Audit:
    """The account of the disks that the engine's data is on; that of the demo host by its lists.

    Raises RequestError where its files cannot be seen or read from here, EngineError, and OSError
    where a disk cannot be read at all.
    """
    host = session.host
    found = _of_files(session, host, watch) if isinstance(host, LiveHost) else _of_lists(session)
    session.ledger.remember_audit(found.engine.key, _sum(found))
    return found


def _sum(found: Audit) -> AuditSum:
    used = sum(account.used for account in found.accounts)
    named = sum(account.named for account in found.accounts)
    return AuditSum(found.taken_at, used, named, total(found.dark))


def _of_lists(session: Session) -> Audit:
    """The account of the demo host."""
    host = session.host
    inventory = host.weigh(session.observe(sizes=True))
    account = account_by_lists(inventory, host.beside(inventory))
    engine, disk = inventory.engine, inventory.disk
    return Audit(engine, engine.root, inventory.taken_at, 0.0, (account,), disk=disk)


def _of_files(session: Session, host: LiveHost, watch: Watch) -> Audit:
    """The account of a host whose files are walked."""
    began = time.monotonic()
    before = host.weigh(session.observe())
    root = data_folder(before, session.endpoint)
    volumes = volume_folder(host.client, root)
    naming = Naming(before.engine, root, volumes, before.disk.images)
    naming.look()
    disks = disks_of(naming.folders)
    walked = [_walked(disk, naming, watch) for disk in disks]
    naming.look()
    after = host.ask_builders(host.weigh(session.observe()), lambda _: True)
    facts = facts_of([before, after], host.clock())
    facts = facts._replace(limits=log_limits(host.client, sorted(facts.containers)))
    accounts = [
        _account(disk, found, naming, facts) for disk, found in zip(disks, walked, strict=True)
    ]
    doubts = [
        note
        for disk, found, account in zip(disks, walked, accounts, strict=True)
        for note in doubt(disk, account, found.before, found.hidden.unseen)
    ]
    last_used = host.usage(demand=False).last_used
    accounts = [with_runner_caches(each, before.volumes, last_used, facts.now) for each in accounts]
    return Audit(
        facts.engine,
        root,
        facts.now,
        time.monotonic() - began,
        tuple(accounts),
        (*naming.notes, *doubts, *(_partly(disk) for disk in disks if not disk.whole)),
        host.disk(),
    )


def data_folder(inventory: Inventory, endpoint: str = _USUAL) -> str:
    """The engine's data folder, which can be read. Raises RequestError.

    ``endpoint``: where the engine was reached; another user may have another usual one.
    """
    engine, disk = inventory.engine, inventory.disk
    if engine.name == _DESKTOP:
        raise RequestError(
            "this engine runs in the virtual machine of Docker Desktop, and its disk cannot be "
            "seen from here. Run holystone audit in that machine"
        )
    if not disk.folder:
        why = disk.unseen or "nothing tells where it is"
        raise RequestError(
            f"the engine's data folder is not in sight: {why}. Run holystone audit on the engine's "
            "own host, as root"
        )
    closed = _closed(disk.folder)
    if closed:
        where = "" if endpoint == _USUAL else f" -H {shlex.quote(safe(endpoint))}"
        raise RequestError(f"only root may read {closed}. Run sudo holystone audit{where}")
    return disk.folder


def _closed(folder: str) -> str:
    """The data folder, or one in it, that this process may not read; empty where it may read all.

    A rootless engine's folders are its user's own.
    """
    try:
        with os.scandir(folder) as entries:
            inner = [each.path for each in entries if each.is_dir(follow_symlinks=False)]
    except PermissionError:
        return folder
    return next((each for each in sorted(inner) if not os.access(each, os.R_OK | os.X_OK)), "")


class _Found:
    """What the walks of one disk found."""

    def __init__(self) -> None:
        self.heaps: dict[str, Heap] = {}
        """By absolute path."""
        self.before = 0
        """Bytes in use when the walk began."""
        self.hidden = Hidden()
        self.unreadable: list[str] = []
        self.unreadable_count = 0


def _walked(disk: Disk, naming: Naming, watch: Watch) -> _Found:
    """Walk a disk from all its tops. Raises OSError."""
    found = _Found()
    found.before = _used(os.statvfs(disk.tops[0]))
    for top in disk.tops:
        walk = DiskWalk(
            top,
            naming.cut(disk, top),
            disk.mounted,
            subvolumes=disk.subvolumes,
            first=naming.inside(disk, top),
        )
        watch(walk)
        told = walk.run()
        found.heaps.update(
            (os.path.join(top, path) if path else top, heap.below(top))
            for path, heap in told.heaps.items()
        )
        found.unreadable += [os.path.join(top, each) for each in told.unreadable]
        found.unreadable_count += told.unreadable_count
    found.hidden = hidden(disk)
    return found


def _account(disk: Disk, found: _Found, naming: Naming, facts: Facts) -> Account:
    """The account of a disk: everything named, and what remains of its used bytes."""
    top = disk.tops[0]
    held = deleted_files(os.stat(top).st_dev, naming.root)
    told = os.statvfs(top)
    used = _used(told)
    entries, pile = naming.entries(found.heaps, disk, facts)
    entries += folders(pile, disk.tops, used)
    entries += deleted(held, facts)
    entries += found.hidden.entries
    entries.append(Entry(Kind.FILE_SYSTEM, disk.type, used - total(entries)))
    entries.sort(key=lambda entry: (-entry.size, entry.kind, entry.name, entry.path))
    return Account(
        top,
        disk.type,
        told.f_blocks * told.f_frsize,
        used,
        told.f_bavail * told.f_frsize,
        tuple(entries),
        tuple(found.unreadable),
        found.unreadable_count,
    )


def _used(told: os.statvfs_result) -> int:
    return (told.f_blocks - told.f_bfree) * told.f_frsize


def _partly(disk: Disk) -> str:
    return (
        f"only a part of the file system at {disk.tops[0]} can be seen from here: the rest of its "
        "bytes counts as the file system itself"
    )
