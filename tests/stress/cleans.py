"""Cleans without pause: every level in turn, at times two at once, each on record."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from tests.cli.command import Command, Done
from tests.cli.contract import check_clean
from tests.engines import Engine

_SHORT = """\
[grace]
untagged = "5s"
tagged = "{tagged}"
other = "2s"
[containers]
stopped_for = "10s"
[images]
unused_for = "{tagged}"
keep_last = 0
[build_cache]
budget = "1MB"
"""
IMPATIENT = _SHORT.format(tagged="90s")
"""Graces in seconds, so that the test sees what takes hours; stages of classic builds keep theirs.

That of tagged images is longer than uses are known to the second, and so long that the fraction
of a second in which an engine deletes an image is as little of it as an hour's grace makes it.
"""
PROTECTIVE = (
    _SHORT.format(tagged="3s")
    + """\
[protect]
images = [{protected}]
"""
)
"""As an owner has it who names what his jobs need: what is left may go at once."""

ALL = ("--until-used", "0%")
"""More than can be: everything that pressure may take goes, and the target is missed."""

Kind = tuple[str, ...]

WAYS: tuple[Kind, ...] = (
    ("routine",),
    ("weekly",),
    ("deep", "--yes"),
    ("routine", *ALL),
)
"""The arguments of the cleans, made in turn."""


class Made(NamedTuple):
    """A clean that was made."""

    way: Kind
    done: Done
    document: dict[str, Any] | None
    """What it told; None where another one held the lock."""

    @property
    def outcome(self) -> dict[str, Any]:
        """How it ended."""
        return dict(self.document["outcome"]) if self.document else {}

    def items(self, result: str) -> list[dict[str, Any]]:
        """The items that ended so."""
        items = self.document["items"] if self.document else ()
        return [item for item in items if item["result"] == result]


class Cleaner:
    """Makes cleans of one host, all with one state folder."""

    def __init__(self, engine: Engine, command: Command, protected: Sequence[str]) -> None:
        """``protected`` are the patterns of images that jobs need."""
        self.engine = engine
        self.command = command
        self.configs: list[Path] = []
        patterns = ", ".join(f'"{pattern}"' for pattern in protected)
        for name, text in (("protective", PROTECTIVE), ("impatient", IMPATIENT)):
            self.configs.append(command.home / f"{name}.toml")
            self.configs[-1].write_text(text.replace("{protected}", patterns))
        self.ended = False
        """Whether it makes no more cleans."""
        self.turns = 0
        """How often it made a clean, or two at once."""
        self.made: list[Made] = []
        self.faults: list[str] = []
        """What ended otherwise than it may."""

    def work(self, until: Callable[[], bool]) -> None:
        """Make cleans until told to stop; each fifth time two at once, one of them impatient."""
        try:
            with ThreadPoolExecutor(2) as pool:
                while not until():
                    config = self.configs[self.turns // len(WAYS) % 2]
                    ways = [(*WAYS[self.turns % len(WAYS)], "--config", str(config))]
                    if self.turns % 5 == 4:
                        ways.append(("routine", "--wait", "0s" if self.turns % 2 else "30s"))
                    for made in pool.map(self.clean, ways):
                        self.made.append(made)
                    self.turns += 1
        finally:
            self.ended = True

    def clean(self, way: Sequence[str]) -> Made:
        """Make one clean, and note what is wrong with how it ended."""
        # Beside ten workers on a few cores the engine may take long for a list of all images.
        patient = ("--timeout", "60s", "-H", self.engine.host)
        done = self.command("clean", *way, "--json", *patient)
        document = None
        if done.code in (0, 3, 4):
            document = json.loads(done.out)
            check_clean(document)
        expected = (4, 11) if ALL[0] in way else (0, 11)
        if done.code not in expected or "Traceback" in done.err:
            failed = [i for i in (document or {}).get("items", ()) if i["result"] == "failed"]
            told = failed or done.out[:500]
            self.faults.append(f"{' '.join(way)}: {done.code}: {done.err} {told}")
        return Made(tuple(way), done, document)

    def count(self) -> Counter[str]:
        """How many cleans there were of each level, those for room apart, and how they ended."""
        counted: Counter[str] = Counter()
        for made in self.made:
            counted["pressure" if ALL[0] in made.way else made.way[0]] += 1
            counted["locked out"] += made.done.code == 11
            counted["coalesced"] += bool((made.document or {}).get("coalesced_with"))
        return +counted

    def removed(self) -> Counter[str]:
        """How many objects of each kind went; of the images those with a tag also apart."""
        counted: Counter[str] = Counter()
        for item in self._items("removed"):
            counted[item["kind"]] += 1
            if item["kind"] == "image":
                rules = {reason["rule"] for reason in item["reasons"]}
                if rules & {"unused", "expired", "pressure"}:
                    counted["tagged image"] += 1
        return counted

    def tried_ids(self) -> set[str]:
        """The IDs of all objects that cleans removed or tried to remove."""
        items = (item for made in self.made if made.document for item in made.document["items"])
        return {item["id"] for item in items if item["result"]}

    def used_since(self) -> int:
        """How many objects were spared because somebody used them after the plan was made."""
        return sum("used since" in item["detail"] for item in self._items("skipped"))

    def ends(self) -> str:
        """Each clean, its exit code, and how many objects it listed."""
        return "\n".join(
            f"{' '.join(made.way)}: {made.done.code}, {len((made.document or {}).get('items', ()))}"
            for made in self.made
        )

    def account(self, names: Sequence[str]) -> str:
        """Every removal, tried or made, of an object that one of these names or IDs means."""
        return "\n".join(
            f"{' '.join(made.way)}: {json.dumps(item)}"
            for made in self.made
            for item in (made.document["items"] if made.document else ())
            if item["result"] and any(name in json.dumps(item) for name in names)
        )

    def _items(self, result: str) -> Iterator[dict[str, Any]]:
        return (item for made in self.made for item in made.items(result))
