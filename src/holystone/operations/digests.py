"""The digests that were names of images, kept when holystone pulls the images again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from holystone.store.store import Store
from holystone.usage.store_port import ImageFacts


def keep_names(
    memory: Store, engine: str, digests: Mapping[str, Sequence[str]], now: float
) -> None:
    """Remember that these digests, by image ID, name images that came back just now.

    The classic store does not tell them from what a tag left behind, and to the events the pulls
    were holystone's own, which name nothing.
    """
    if not digests:
        return
    known = memory.recall(engine, layers=False)
    news = {}
    for image_id, names in digests.items():
        fact = known.get(image_id) or ImageFacts(first_seen=now)
        pinned = tuple(dict.fromkeys((*fact.pinned, *names)))
        news[image_id] = fact._replace(arrived=now, pinned=pinned)
    memory.remember(engine, news, {*known, *news})
