"""What is known of the past of the objects on a host, and of what jobs said they will need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Lease(NamedTuple):
    """A job's word that it will need an image until then (UTC seconds)."""

    reference: str
    """A tag, a digest or an image ID, as the job wrote it; the image need not be here yet."""
    until: float
    job: str = ""


class Usage(NamedTuple):
    """Memory carried from one look at a host to the next. All times are UTC seconds.

    ``first_seen`` maps an image ID to when holystone first saw it here: for an image that was
    pulled this is the only arrival time there is, since ``Created`` is the date it was built,
    elsewhere. ``last_used`` maps ``(kind, ID)`` of images, volumes and networks to when a
    container last had to do with them, as far as holystone saw it.
    """

    first_seen: Mapping[str, float] = {}
    last_used: Mapping[tuple[str, str], float] = {}
    leases: tuple[Lease, ...] = ()
