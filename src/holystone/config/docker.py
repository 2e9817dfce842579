"""``pruneFilters`` of the docker command's ``config.json``: what ``docker ... prune`` spares."""

from __future__ import annotations

import json
from typing import Any

from holystone.config.load import Docker


def read(path: str, content: bytes) -> Docker:
    """The filters in a file with this content; never fails, for docker's file is not ours."""
    try:
        document: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        return Docker(path, problem=f"not valid JSON ({str(error)[:100]})")
    filters = document.get("pruneFilters") if isinstance(document, dict) else None
    if filters is None:
        return Docker(path)
    if not isinstance(filters, list) or not all(isinstance(each, str) for each in filters):
        return Docker(path, problem="pruneFilters is no list of texts")
    on_labels = tuple(each for each in filters if _on_label(each))
    return Docker(path, on_labels, tuple(each for each in filters if not _on_label(each)))


def _on_label(text: str) -> bool:
    """Whether it is a filter on a label; docker passes over one without a value, as here."""
    name, _, label = text.partition("=")
    return name in ("label", "label!") and bool(label.partition("=")[0])
