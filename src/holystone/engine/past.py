"""What the engine still knows of its last events: who used which image before this run began.

Engines keep their latest 256 events (moby ``daemon/events``, ``eventsLimit``). They tell of jobs
whose containers are gone, and of pulls of what was here already, for which no date is kept.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from holystone.core.inventory import Image
from holystone.engine.api import Client
from holystone.engine.errors import EngineRefused
from holystone.engine.events import read_event
from holystone.engine.touched import Touched


def last_uses(
    client: Client, images: Sequence[Image], since: float, until: float
) -> dict[str, float]:
    """When each of these images was last used, by ID, as far as events since then tell.

    Times are UTC seconds. An engine that refuses to tell is one that tells nothing. Raises
    EngineError.
    """
    path = client.versioned(f"/events?since={since:.0f}&until={until:.0f}")
    try:
        text = client.send([("GET", path)])[0].checked().body
    except EngineRefused:
        return {}
    touched = Touched(None)
    touched.observed(images)
    uses: dict[str, float] = {}
    for line in text.splitlines():
        try:
            message = json.loads(line.strip(b"\x1e \r") or b"null")
        except ValueError:
            continue
        if not isinstance(message, dict):
            continue
        event = read_event(message)
        if not event.uses:
            continue
        when = float(message.get("time") or 0)
        for image_id in touched.meant_by(event):
            uses[image_id] = max(when, uses.get(image_id, 0.0))
    return uses
