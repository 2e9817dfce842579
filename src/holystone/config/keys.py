"""The table of everything ``holystone.toml`` can say: the one source of keys, types and defaults.

Reading, ``config schema``, ``config init`` and ``docs/reference/policy.md`` come from it.
The defaults are those of ``planner.policy``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from holystone.config import kinds
from holystone.config.container_keys import CONTAINERS
from holystone.config.directions import (
    ANY,
    BUDGET,
    EVERY,
    FALSE,
    FEWER,
    LARGER,
    LONGER,
    OWNER,
    SMALLER,
    TRUE,
    Direction,
    first_of,
)
from holystone.config.kinds import Kind
from holystone.planner.policy import DEFAULT_RETENTION, LEVELS, TAKES, Policy, Retention

Path = tuple[str, ...]


class Key(NamedTuple):
    """One key of a table."""

    table: str
    name: str
    kind: Kind
    doc: str
    example: Any
    """A value as TOML has it."""
    field: Path
    """Where it goes: a path of fields that begins in ``Policy``, in the ``default`` retention rule
    or in what a level ``takes``."""
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
    def default(self) -> Any:
        """The value without any file, as the policy has it."""
        root, *fields = self.field
        if root == "takes":
            return getattr(TAKES[self.table.rpartition(".")[2]], fields[0])
        value: Any = DEFAULT_RETENTION if root == "default" else getattr(Policy(), root)
        for field in fields:
            value = getattr(value, field)
        return value


TABLES: Mapping[str, str] = {
    "protect": "What never goes, at any level.",
    "images": "Tagged images at weekly: when those go that no rule of images.rules matches.",
    "containers": "Which stopped containers stay longer, or for good.",
    "build_cache": "How much build cache stays, so that the next build is warm.",
    "volumes": "Which unused volumes go at a level that takes volumes. They can hold data.",
    "networks": "Unused networks, at a level that takes networks.",
    "grace": "How old an object must be before it may go: a job may be about to use it.",
    "disk": "Watermarks: how full the disk may get.",
    "refresh": "When holystone refresh brings images up to date.",
    **{f"levels.{level}": f"What a {level} clean takes." for level in LEVELS},
}
"""What each table is about, in the order in which they are shown."""

RULES = "images.rules"
RULES_DOC = (
    "Rules for tagged images at weekly. The first whose patterns match a tag decides on it; an "
    "image goes when all its tags are let go."
)

_RETENTION = (
    (
        "unused_for",
        kinds.DURATION_OR_NEVER,
        "Let a tag go that was not used for so long.",
        "14d",
        LONGER,
    ),
    (
        "max_age",
        kinds.DURATION_OR_NEVER,
        "Let a tag go that came here longer ago than this, used or not.",
        "90d",
        LONGER,
    ),
    (
        "keep_last",
        kinds.COUNT,
        "Keep so many tags of each repository in any case, the newest.",
        3,
        LARGER,
    ),
)

_LEVEL = (
    ("containers", kinds.FLAG, "Stopped containers.", True, FALSE),
    (
        "stopped_groups",
        kinds.FLAG,
        "Compose projects and pods whose containers have all been stopped for a while.",
        True,
        FALSE,
    ),
    ("untagged", kinds.FLAG, "Untagged images.", True, FALSE),
    (
        "tagged",
        kinds.choice("none", "retention", "all"),
        "Unused tagged images: none, those that the rules of [images] let go, or all.",
        "retention",
        first_of("none", "retention", "all"),
    ),
    (
        "build_cache",
        kinds.choice("none", "budget", "all"),
        "Build cache: none, down to the limits of [build_cache], or all that is unused.",
        "budget",
        first_of("none", "budget", "all"),
    ),
    ("networks", kinds.FLAG, "Unused networks that [networks] lets go.", True, FALSE),
    ("volumes", kinds.FLAG, "Unused volumes that [volumes] lets go.", False, FALSE),
)

KEYS: tuple[Key, ...] = (
    Key(
        "protect", "images", kinds.IMAGES,
        "Images one of whose references matches. With ! a pattern excepts what those before it "
        "in the same list cover.",
        ["python:*-slim", "registry.example.com/team/*", "!registry.example.com/team/scratch"],
        ("protect", "images"), EVERY, together=True,
    ),
    Key(
        "protect", "labels", kinds.LABELS,
        "Objects of any kind with such a label: key or key=value, * for any text.",
        ["keep", "com.example.stage=prod*"], ("protect", "labels"), EVERY, together=True,
    ),
    Key(
        "protect", "official", kinds.FLAG, "The official images of Docker Hub.",
        example=True, field=("protect", "official"), direction=TRUE, together=True,
    ),
    Key(
        "protect", "larger_than", kinds.SIZE,
        "Images larger than this: they take long to come back.",
        "5GB", ("protect", "larger_than"), SMALLER, together=True,
    ),
    Key(
        "protect", "local", kinds.FLAG,
        "Images that no registry can give back, whatever options say.",
        example=True, field=("protect", "local"), direction=TRUE, together=True,
    ),
    Key(
        "protect", "newest", kinds.COUNT, "So many tags of each repository, the newest.",
        2, ("protect", "newest"), LARGER, together=True,
    ),
    Key(
        "protect", "used_within", kinds.DURATION, "Images that were used within this time.",
        "7d", ("protect", "used_within"), LARGER, together=True,
    ),
    Key(
        "protect", "min_age", kinds.DURATION, "Images that came here less than so long ago.",
        "1d", ("protect", "min_age"), LARGER, together=True,
    ),
    *(
        Key("images", name, kind, doc, example, ("default", name), direction)
        for name, kind, doc, example, direction in _RETENTION
    ),
    Key(
        "images", "check_registry", kinds.FLAG,
        "Whether registries are asked, before a tagged image goes, if they have it.",
        example=False, field=("check_registry",), direction=OWNER,
    ),
    *(
        Key("containers", name, kind, doc, example, ("containers", name), direction, together)
        for name, kind, doc, example, direction, together in CONTAINERS
    ),
    Key(
        "build_cache", "budget", kinds.BUDGET,
        "How much may stay: bytes, or a share of the disk (10GB where the disk is not in sight).",
        "20GB", ("cache", "budget_share"), BUDGET,
    ),
    Key(
        "build_cache", "unused_for", kinds.DURATION,
        "What was not used for so long goes even inside the budget.",
        "14d", ("cache", "unused_for"), LARGER,
    ),
    Key(
        "build_cache", "keep_mounts", kinds.FLAG,
        "Whether cache mounts (RUN --mount=type=cache) stay in any case.",
        example=True, field=("cache", "keep_mounts"), direction=OWNER,
    ),
    Key(
        "volumes", "remove", kinds.choice("never", "anonymous", "named"),
        "never, anonymous ones, or named: anonymous ones and those that names match.",
        "named", ("volumes", "remove"), first_of("never", "anonymous", "named"),
    ),
    Key(
        "volumes", "names", kinds.NAMES,
        "Volumes that may go, where remove is named: names with * and ?.",
        ["runner-*-cache-*"], ("volumes", "names"), FEWER,
    ),
    Key(
        "volumes", "unused_for", kinds.DURATION,
        "How long they must have been unused, where that is more than grace.other.",
        "7d", ("volumes", "unused_for"), LARGER,
    ),
    Key(
        "networks", "unused_for", kinds.DURATION,
        "How long they must have been unused, where that is more than grace.other.",
        "1d", ("networks_unused_for",), LARGER,
    ),
    Key(
        "networks", "by_hand", kinds.FLAG,
        "Whether networks go as well that no tool and no CI job made.",
        example=True, field=("networks_by_hand",), direction=FALSE,
    ),
    Key(
        "grace", "untagged", kinds.DURATION,
        "Untagged images that had a tag: nothing can name them any more.",
        "5m", ("grace", "once_tagged"), LARGER,
    ),
    Key(
        "grace", "never_tagged", kinds.DURATION,
        "Untagged images that never had a tag: a stage of a running classic build looks like this.",
        "2h", ("grace", "never_tagged"), LARGER,
    ),
    Key(
        "grace", "tagged", kinds.DURATION,
        "Tagged images since they were pulled, tagged or used.",
        "4h", ("grace", "tagged"), LARGER,
    ),
    Key(
        "grace", "other", kinds.DURATION,
        "Containers since they stopped; build cache, volumes and networks since their last use.",
        "30m", ("grace", "other"), LARGER,
    ),
    Key(
        "disk", "high", kinds.MARK,
        "Above this a clean is due: a share in use, or bytes free.",
        "85%", ("disk", "high"), OWNER,
    ),
    Key(
        "disk", "low", kinds.MARK,
        "A clean for room goes on until so much is free; without it 2 GB more than at high.",
        "60GB free", ("disk", "low"), OWNER,
    ),
    Key(
        "disk", "critical", kinds.MARK,
        "Above this builds are about to fail; less is free than at high.",
        "5GB free", ("disk", "critical"), OWNER,
    ),
    Key(
        "disk", "inodes", kinds.SHARE,
        "The share of the inodes in use that counts as high.",
        "80%", ("disk", "inodes"), OWNER,
    ),
    Key(
        "refresh", "window", kinds.WINDOW,
        "The part of the day in which it may pull, local time; without it at any time.",
        "22:00-06:00", ("refresh", "window"), OWNER,
    ),
    *(
        Key(f"levels.{level}", name, kind, doc, example, ("takes", name), direction)
        for level in LEVELS
        for name, kind, doc, example, direction in _LEVEL
    ),
)  # fmt: skip
"""Every key but those of the rules, in the order in which they are shown."""

RULE_KEYS: tuple[Key, ...] = (
    Key(
        RULES, "name", kinds.TEXT,
        "What reasons call the rule. Needed, and each only once; default is [images] itself.",
        "nightly", ("name",), ANY,
    ),
    Key(
        RULES, "images", kinds.IMAGES,
        "The tags it is for, as protect.images; none: every tag.",
        ["registry.example.com/nightly/*"], ("images",), ANY,
    ),
    Key(
        RULES, "keep", kinds.FLAG,
        "Whether its tags stay at weekly. Then it has nothing of what follows.",
        example=True, field=("keep",), direction=TRUE,
    ),
    *(
        Key(RULES, name, kind, doc, example, (name,), direction)
        for name, kind, doc, example, direction in _RETENTION
    ),
)  # fmt: skip
"""The keys of one of ``[[images.rules]]``."""


def rule_default(key: Key) -> Any:
    """What a key of a rule is where the rule does not say."""
    return Retention._field_defaults.get(key.field[0])
