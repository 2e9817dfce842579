"""What is known of the past of the objects on a host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Usage(NamedTuple):
    """Memory carried from one look at a host to the next.

    ``first_seen`` maps an image ID to the UTC second at which holystone first saw it here: for an
    image that was pulled this is the only arrival time there is, since ``Created`` is the date it
    was built, elsewhere.
    """

    first_seen: Mapping[str, float] = {}
