"""The account of the demo host, which has no files: by what it lists."""

from __future__ import annotations

from collections.abc import Iterator

from holystone.operations.audit.facts import facts_of
from holystone.operations.audit.record import Account, Entry, Kind, total
from holystone.planner.builders import builder_of_volume
from holystone.planner.inventory import Inventory
from holystone.planner.totals import Beside

_EXT4 = "ext4"


def account_by_lists(inventory: Inventory, beside: Beside) -> Account:
    """The account of a host whose images have their layers, and whose disk is known."""
    disk = inventory.disk
    size, free = disk.total_bytes or 0, disk.free_bytes or 0
    entries = [each for each in _entries(inventory, beside) if each.size]
    rest = size - free - total(entries)
    entries.append(Entry(Kind.OTHER, "/usr, /var and others", rest))
    entries.sort(key=lambda entry: (-entry.size, entry.kind, entry.name))
    return Account("/", _EXT4, size, size - free, free, tuple(entries))


def _entries(inventory: Inventory, beside: Beside) -> Iterator[Entry]:
    facts = facts_of([inventory], inventory.taken_at)
    sizes = {layer.chain_id: layer.size for image in inventory.images for layer in image.held}
    for chain, names in facts.holders.items():
        held = facts.smallest_first(names)
        yield Entry(Kind.IMAGE, held[0], sizes[chain], sizes[chain], id=chain, holders=held)
    for record in inventory.cache:
        if not record.shared:
            yield Entry(Kind.CACHE, record.description, record.size, record.size, id=record.id)
    users: dict[str, list[str]] = {}
    for container in inventory.containers:
        written = container.writable_size
        name, state = container.name, container.state
        yield Entry(Kind.CONTAINER, name, written, written, id=container.id, evidence=state)
        for volume in container.volumes:
            users.setdefault(volume, []).append(name)
    for each in inventory.volumes:
        size, held = each.size or 0, tuple(users.get(each.name, ()))
        kind = Kind.BUILDER if builder_of_volume(each.name) else Kind.VOLUME
        yield Entry(kind, each.name, size, size, id=each.name, holders=held)
    for log in beside.logs:
        yield Entry(
            Kind.LOG,
            log.name,
            log.size,
            log.size,
            path=log.path,
            id=log.container_id,
            limited=log.limited,
        )
    for orphan in beside.orphans:
        name = orphan.path.rpartition("/")[2]
        why = "no layer, container or build cache record of the engine names this folder"
        yield Entry(Kind.ORPHAN, name, orphan.size, orphan.size, path=orphan.path, evidence=why)
    yield Entry(Kind.ENGINE, "databases and other files", beside.own, beside.own)
