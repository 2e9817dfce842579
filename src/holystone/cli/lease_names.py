"""The names that ``holystone lease`` is given: patterns, and those that look like another one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from holystone.cli.session import Failure, opened
from holystone.planner.glob import has_marks
from holystone.planner.lookup import closest, covering, did_you_mean
from holystone.planner.names import familiar

if TYPE_CHECKING:
    from holystone.planner.usage import Lease
    from holystone.store.store import Store

_REFERENCE = "reference"
"""The kind under which the ledger keeps the uses of references."""


def expanded(images: Sequence[str], options: argparse.Namespace) -> list[str]:
    """The images, with the tags on the host in place of each pattern.

    Raises EngineError, Failure for a pattern that covers nothing.
    """
    with opened(options) as session:
        tags = [tag for image in session.host.observe().images for tag in image.tags]
    found: dict[str, None] = {}
    for text in images:
        met = [text]
        if has_marks(text):
            met = list(filter(covering(tags, text), tags))
            if not met:
                near = did_you_mean(tags, text.strip("*?/"))
                raise Failure(f"no image on this host is covered by {text!r}.{near}")
        found.update(dict.fromkeys(met))
    return list(found)


def leased(leases: Sequence[Lease], images: Sequence[str]) -> list[str]:
    """The images, with those of the leases in place of patterns and ends of names."""
    names = [lease.reference for lease in leases]
    own = {familiar(name) for name in names}
    found: list[str] = []
    for text in images:
        if not has_marks(text) and familiar(text) in own:
            found.append(text)
            continue
        covers = covering(names, text)
        met = [name for name in names if covers(name)]
        if not met and has_marks(text):
            raise Failure(f"there is no lease that {text!r} covers.{did_you_mean(names, text)}")
        found += met or [text]
    return list(dict.fromkeys(found))


def near(leases: Sequence[Lease], images: Sequence[str]) -> str:
    """The leased images that are closest to these, as a question; empty where none is close."""
    names = [lease.reference for lease in leases]
    return next((hint for text in images if (hint := did_you_mean(names, text))), "")


def unlike_known(ledger: Store, images: Sequence[str]) -> list[str]:
    """A note for each image nobody has used here, where another one's name ends like that."""
    known = _used_names(ledger)
    notes = []
    for text in images:
        name = familiar(text)
        if name in known or not known:
            continue
        ends = covering(known, text)
        near = [each for each in closest(known, name) if ends(each)]
        if near:
            notes.append(
                f"no use of {name} is known here. Did you mean {' or '.join(near)}? The lease is "
                f"for {name}."
            )
    return notes


def _used_names(ledger: Store) -> set[str]:
    """The references whose use is known, on any engine; none where the ledger fails."""
    from holystone.store.use_log import engines

    none: list[tuple[str, str]] = []
    listed = ledger.try_read(engines, none)
    return {
        familiar(name)
        for engine, _ in listed
        for name in ledger.recall_summaries(engine, _REFERENCE)
    }
