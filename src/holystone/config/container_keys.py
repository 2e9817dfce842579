"""The keys of ``[containers]``: which stopped containers stay longer, or for good."""

from __future__ import annotations

from typing import Any

from holystone.config import kinds
from holystone.config.directions import EVERY, FEWER, LARGER, ONLY_THESE, Direction
from holystone.config.kinds import Kind
from holystone.planner.kept_containers import TABLE

CONTAINERS: tuple[tuple[str, Kind, str, Any, Direction, bool], ...] = (
    (
        "stopped_for",
        kinds.DURATION,
        "How long they must have been stopped, where that is more than grace.other.",
        "6h",
        LARGER,
        False,
    ),
    (
        "keep_labels",
        kinds.LABELS,
        "Containers with such a label stay; for every kind of object see protect.labels.",
        ["debug"],
        EVERY,
        False,
    ),
    (
        "keep_names",
        kinds.NAMES,
        "Containers with such a name stay: * for any text, ? for one character.",
        ["ollama", "lab-*"],
        EVERY,
        True,
    ),
    (
        "keep_images",
        kinds.IMAGES_ALONE,
        "Containers made from such an image stay; see also protect.images.",
        ["ollama/ollama"],
        EVERY,
        True,
    ),
    (
        "exit_codes",
        kinds.EXIT_CODES,
        "Only containers that ended with one of these go; empty: any.",
        [0],
        ONLY_THESE,
        False,
    ),
    (
        "created_for",
        kinds.DURATION,
        "How long ago a container must have been made that was never started.",
        "6h",
        LARGER,
        False,
    ),
    (
        "group_stopped_for",
        kinds.DURATION,
        "How long all containers of a compose project or pod must have been stopped.",
        "30d",
        LARGER,
        False,
    ),
    (
        "restart_stopped_for",
        kinds.DURATION,
        "How long one with the restart policy always or unless-stopped must have been stopped.",
        "90d",
        LARGER,
        False,
    ),
    (
        "tools",
        kinds.KEPT,
        "More containers that tools keep, by label, name or image: only deep takes them.",
        ["label=com.example.lab", "name=lab-*"],
        EVERY,
        True,
    ),
    (
        "tools_off",
        kinds.choices(*(row.name for row in TABLE)),
        "Tools of the table whose containers go like any other.",
        ["kind"],
        FEWER,
        False,
    ),
)
"""Name, kind, what it says, an example, and its ``direction`` and ``together`` of ``Key``."""
