"""The table of everything ``holystone.toml`` can say: the one source of keys, types and defaults.

Reading, ``config schema``, ``config init`` and ``docs/reference/policy.md`` come from it.
The defaults are those of ``planner.policy`` and ``agent_settings``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from holystone.config import directions as may
from holystone.config import kinds
from holystone.config.agent_keys import AGENT_ROWS, AGENT_TABLES
from holystone.config.agent_settings import AgentSettings
from holystone.config.directions import Direction
from holystone.config.kinds import Kind
from holystone.planner.kept_containers import TABLE
from holystone.planner.policy import DEFAULT_RETENTION, LEVELS, TAKES, Policy, Retention

Path = tuple[str, ...]
Row = tuple[str, Kind, Direction, Any, str]
"""A key without its table: name, kind, direction, example, doc."""


class Key(NamedTuple):
    """One key of a table."""

    table: str
    name: str
    kind: Kind
    doc: str
    example: Any
    """A value as TOML has it."""
    field: Path
    """Where it goes: a path of fields that begins in ``Policy``, in the ``default`` retention rule,
    in what a level ``takes`` or in ``AgentSettings``."""
    direction: Direction
    """Which value protects more: all that a file in the current folder can do with the key."""
    together: bool = False
    """Whether the owner's files come together like that as well: the one that protects most counts.
    Else the nearest file's value does."""

    @property
    def path(self) -> str:
        """The dotted path: ``protect.images``."""
        return f"{self.table}.{self.name}"

    @property
    def of_agent(self) -> bool:
        """Whether it is about the agent, and not about what may go."""
        return self.table in AGENT_TABLES

    @property
    def default(self) -> Any:
        """The value without any file, as the policy has it; None where nothing is set."""
        root, *fields = self.field
        if root == "takes":
            return getattr(TAKES[self.table.rpartition(".")[2]], fields[0])
        if root == "default":
            value: Any = DEFAULT_RETENTION
        else:
            value = getattr(AgentSettings() if self.of_agent else Policy(), root)
        for field in fields:
            value = getattr(value, field)
        return None if self.of_agent and value == "" else value


TABLES: Mapping[str, str] = {
    "protect": "What is never removed, at any level.",
    "images": "Tagged images at weekly: when to remove those that no rule of images.rules matches.",
    "containers": "Which stopped containers stay longer, or always.",
    "build_cache": "How much build cache to keep, so that the next build is fast.",
    "volumes": "Which unused volumes to remove at a level that removes volumes. They can hold "
    "data.",
    "builders": "How much builders outside the engine may keep: those that docker buildx create "
    "makes in a container. Without a budget a builder is left alone.",
    "networks": "Unused networks, at a level that removes networks.",
    "grace": "Minimum age of an object before it is removed: a job may be about to use it.",
    "disk": "Watermarks: how full the disk may get.",
    "refresh": "When holystone refresh may pull.",
    **{f"levels.{level}": f"What a {level} clean removes." for level in LEVELS},
    **AGENT_TABLES,
}
"""What each table is about, in the order in which they are shown."""

RULES = "images.rules"
RULES_DOC = (
    "Rules for tagged images at weekly. The first rule whose patterns match a tag decides. An "
    "image is removed if the rules remove all its tags."
)


def _ordered(*words: str) -> tuple[Kind, Direction]:
    """One of some words, from the one that protects most to the one that protects least."""
    return kinds.choice(*words), may.first_of(*words)


_RETENTION: tuple[Row, ...] = (
    ("unused_for", kinds.DURATION_OR_NEVER, may.LONGER, "14d",
     "Remove tags that were not used for this long."),
    ("max_age", kinds.DURATION_OR_NEVER, may.LONGER, "90d",
     "Remove tags that came here longer ago than this, used or not."),
    ("keep_last", kinds.COUNT, may.LARGER, 3,
     "Always keep this many of the newest tags of each repository."),
)  # fmt: skip
_LEVEL: tuple[Row, ...] = (
    ("containers", kinds.FLAG, may.FALSE, True, "Stopped containers."),
    ("stopped_groups", kinds.FLAG, may.FALSE, True,
     "Compose projects and pods whose containers have all been stopped for a while."),
    ("untagged", kinds.FLAG, may.FALSE, True, "Untagged images."),
    ("tagged", *_ordered("none", "retention", "all"), "retention",
     "Unused tagged images: none, those that the rules of [images] allow, or all."),
    ("build_cache", *_ordered("none", "budget", "all"), "budget",
     "Build cache: none, down to the limits of [build_cache], or all that is unused."),
    ("networks", kinds.FLAG, may.FALSE, True, "Unused networks that [networks] allows."),
    ("volumes", kinds.FLAG, may.FALSE, False, "Unused volumes that [volumes] allows."),
    ("builders", kinds.FLAG, may.FALSE, False,
     "What builders outside the engine keep beyond the budgets of [builders]."),
)  # fmt: skip
_ROWS: Mapping[str, tuple[Row, ...]] = {
    "protect": (
        ("images", kinds.IMAGES, may.EVERY,
         ["python:*-slim", "registry.example.com/team/*", "!registry.example.com/team/scratch"],
         ("Images one of whose references matches. With ! a pattern excepts what those before it "
          "in the same list cover.")),
        ("labels", kinds.LABELS, may.EVERY, ["keep", "com.example.stage=prod*"],
         "Objects of any kind with such a label: key or key=value, * for any text."),
        ("official", kinds.FLAG, may.TRUE, True, "The official images of Docker Hub."),
        ("larger_than", kinds.SIZE, may.SMALLER, "5GB",
         "Images larger than this: they take long to come back."),
        ("local", kinds.FLAG, may.TRUE, True,
         "Images that no registry has, even if an option lets them go."),
        ("newest", kinds.COUNT, may.LARGER, 2, "This many of the newest tags of each repository."),
        ("used_within", kinds.DURATION, may.LARGER, "7d",
         "Images that were used within this time."),
        ("min_age", kinds.DURATION, may.LARGER, "1d",
         "Images that came here less than this long ago."),
    ),
    "images": (
        *_RETENTION,
        ("check_registry", kinds.FLAG, may.OWNER, False,
         "Ask the registry whether it has a tagged image before removing it."),
    ),
    "containers": (
        ("stopped_for", kinds.DURATION, may.LARGER, "6h",
         "How long they must have been stopped, if longer than grace.other."),
        ("keep_labels", kinds.LABELS, may.EVERY, ["debug"],
         "Containers with such a label stay; for every kind of object see protect.labels."),
        ("keep_names", kinds.NAMES, may.EVERY, ["ollama", "lab-*"],
         "Containers with such a name stay: * for any text, ? for one character."),
        ("keep_images", kinds.IMAGES_ALONE, may.EVERY, ["ollama/ollama"],
         "Containers made from such an image stay; see also protect.images."),
        ("exit_codes", kinds.EXIT_CODES, may.ONLY_THESE, [0],
         "Remove only containers that ended with one of these codes; empty: any."),
        ("created_for", kinds.DURATION, may.LARGER, "6h",
         "How long ago a container that was never started must have been created."),
        ("group_stopped_for", kinds.DURATION, may.LARGER, "30d",
         "How long all containers of a compose project or pod must have been stopped."),
        ("restart_stopped_for", kinds.DURATION, may.LARGER, "90d",
         "How long one with the restart policy always or unless-stopped must have been stopped."),
        ("tools", kinds.KEPT, may.EVERY, ["label=com.example.lab", "name=lab-*"],
         "More containers that tools keep, by label, name or image: only deep removes them."),
        ("tools_off", kinds.choices(*(row.name for row in TABLE)), may.FEWER, ["kind"],
         "Tools of the table whose containers are removed like any other."),
    ),
    "build_cache": (
        ("budget", kinds.BUDGET, may.MORE_ON_DISK, "20GB",
         "How much to keep: bytes, or a share of the disk (10GB if the disk is not in sight)."),
        ("unused_for", kinds.DURATION, may.LARGER, "14d",
         "Remove records that were not used for this long, also within the budget."),
        ("keep_mounts", kinds.FLAG, may.OWNER, True,
         "Always keep cache mounts (RUN --mount=type=cache)."),
    ),
    "volumes": (
        ("remove", *_ordered("never", "anonymous", "named"), "named",
         "never, anonymous ones, or named: anonymous ones and those that names match."),
        ("names", kinds.NAMES, may.FEWER, ["runner-*-cache-*"],
         "Volumes to remove if remove is named: names with * and ?."),
        ("unused_for", kinds.DURATION, may.LARGER, "7d",
         "How long they must have been unused, if longer than grace.other."),
        ("budgets", kinds.BUDGETS, may.OWNER, ["runner-*-cache-*=40GB"],
         ("How much the volumes of such a name may hold together, named ones too; beyond it the "
          "least recently used go, unless remove is never.")),
    ),
    "builders": (
        ("budget", kinds.SIZE, may.OWNER, "20GB",
         "How much each builder may keep; default: builders are left alone."),
        ("budgets", kinds.BUDGETS, may.OWNER, ["release*=50GB", "ci-*=10GB"],
         "How much builders of such a name may keep, each; the first pattern that matches counts."),
    ),
    "networks": (
        ("unused_for", kinds.DURATION, may.LARGER, "1d",
         "How long they must have been unused, if longer than grace.other."),
        ("by_hand", kinds.FLAG, may.FALSE, True,
         "Also remove networks that no tool and no CI job made."),
    ),
    "grace": (
        ("untagged", kinds.DURATION, may.LARGER, "5m",
         "Untagged images that had a tag: no name refers to them any more."),
        ("never_tagged", kinds.DURATION, may.LARGER, "2h",
         ("Untagged images that never had a tag: a stage of a running classic build looks like "
          "this.")),
        ("tagged", kinds.DURATION, may.LARGER, "4h",
         "Tagged images since they were pulled, tagged or used."),
        ("other", kinds.DURATION, may.LARGER, "30m",
         "Containers since they stopped; build cache, volumes and networks since their last use."),
    ),
    "disk": (
        ("high", kinds.MARK, may.OWNER, "85%",
         "A clean with --watermarks starts above this: a share in use, or bytes free."),
        ("low", kinds.MARK, may.OWNER, "60GB free",
         ("A clean with --watermarks goes on until this much is free; default: 2 GB more than "
          "at high.")),
        ("critical", kinds.MARK, may.OWNER, "5GB free",
         "Above this builds are about to fail; must leave less free than high."),
        ("inodes", kinds.SHARE, may.OWNER, "80%",
         "The share of the inodes in use that counts as high."),
    ),
    "refresh": (
        ("window", kinds.WINDOW, may.OWNER, "22:00-06:00",
         "The part of the day in which it may pull, local time; default: any time."),
    ),
    **{f"levels.{level}": _LEVEL for level in LEVELS},
    **AGENT_ROWS,
}  # fmt: skip
_RULE: tuple[Row, ...] = (
    ("name", kinds.TEXT, may.ANY, "nightly",
     "The name that reasons show. Required and unique; default is [images] itself."),
    ("images", kinds.IMAGES, may.ANY, ["registry.example.com/nightly/*"],
     "The tags that it applies to, as in protect.images; empty: every tag."),
    ("keep", kinds.FLAG, may.TRUE, True,
     "Keep its tags at weekly. Then the keys below are not allowed."),
    *_RETENTION,
)  # fmt: skip

_FIELDS: Mapping[str, Path] = {
    "images.check_registry": ("check_registry",),
    "build_cache.budget": ("cache", "budget_share"),
    "networks.unused_for": ("networks_unused_for",),
    "networks.by_hand": ("networks_by_hand",),
    "grace.untagged": ("grace", "once_tagged"),
}
_ROOTS = {"images": "default", "build_cache": "cache", "levels": "takes"}
"""Where the keys of a table go that ``_FIELDS`` does not have, if not below its own name."""
_TOGETHER = ("containers.keep_names", "containers.keep_images", "containers.tools")


def _key(table: str, row: Row) -> Key:
    name, kind, direction, example, doc = row
    path, group = f"{table}.{name}", table.partition(".")[0]
    field = _FIELDS.get(path, (_ROOTS.get(group, group), name))
    together = table == "protect" or path in _TOGETHER
    return Key(table, name, kind, doc, example, field, direction, together)


KEYS: tuple[Key, ...] = tuple(_key(table, row) for table in TABLES for row in _ROWS[table])
"""Every key but those of the rules, in the order in which they are shown."""

RULE_KEYS: tuple[Key, ...] = tuple(
    Key(RULES, name, kind, doc, example, (name,), direction)
    for name, kind, direction, example, doc in _RULE
)
"""The keys of one of ``[[images.rules]]``."""


def rule_default(key: Key) -> Any:
    """What a key of a rule is where the rule does not say."""
    return Retention._field_defaults.get(key.field[0])
