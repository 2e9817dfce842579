"""``pruneFilters`` of the docker command's ``config.json``: what ``docker ... prune`` spares."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from holystone.engine.transport.endpoint import LARGEST_CONFIG, config_folder
from holystone.outside.regular_file import NotRegular, read_regular


class Docker(NamedTuple):
    """What the docker command's own configuration says of pruning."""

    path: str
    prune_filters: tuple[str, ...] = ()
    """Those on labels: ``label=KEY``, ``label!=KEY=VALUE``."""
    ignored: tuple[str, ...] = ()
    """Those on anything else."""
    problem: str = ""
    """Why nothing can be told from it; empty where all is well."""


def load(environ: Mapping[str, str]) -> Docker:
    """The filters of the user's docker command. The search for the engine tells other faults."""
    path = os.path.join(config_folder(environ), "config.json")
    try:
        content = read_regular(path, LARGEST_CONFIG)
    except NotRegular as error:
        return Docker(path, problem=str(error))
    except (OSError, ValueError):
        return Docker(path)
    return read(path, content) if b"pruneFilters" in content else Docker(path)


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
