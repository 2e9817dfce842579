"""The JSON contract of DESIGN.md, checked field by field."""

from __future__ import annotations

import re
from typing import Any

KINDS = ("container", "image", "cache", "volume", "network")
"""Those of every host."""
BUILDER = "builder"
"""Records of builders outside the engine, where a budget is set for these."""
ENGINE = ("version", "api_version", "storage_driver", "name")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
Key = tuple[str, str]


def check_head(document: dict[str, Any]) -> None:
    """What every document begins with."""
    assert document["schema"] == 1
    assert all(isinstance(document["engine"][field], str) for field in ENGINE)
    assert _TIME.fullmatch(document["taken_at"])
    disk = document["disk"]
    assert {"total_bytes", "free_bytes", "not_in_sight"} <= set(disk)
    known = disk["total_bytes"] is not None
    assert is_bytes(disk["total_bytes"]) is is_bytes(disk["free_bytes"]) is known
    assert bool(disk["not_in_sight"]) is not known


def check_plan(document: dict[str, Any]) -> dict[Key, dict[str, Any]]:
    """A plan, or what a clean tells of its plan; answers the items by kind and ID."""
    check_head(document)
    assert document["level"] in ("routine", "weekly", "deep")
    assert isinstance(document["estimated"], bool)
    assert is_bytes(document["freed_bytes"])
    assert document["at_least_bytes"] <= document["freed_bytes"] <= document["at_most_bytes"]
    if not document["estimated"]:
        assert document["at_least_bytes"] == document["freed_bytes"]
    items: dict[Key, dict[str, Any]] = {}
    for item in document["items"]:
        check_item(item)
        items[item["kind"], item["id"]] = item
    assert len(items) == len(document["items"]), "an object with two verdicts"
    assert document["freed_bytes"] == sum(item["freed_bytes"] for item in items.values())
    return items


def check_item(item: dict[str, Any]) -> None:
    """One object with its verdict."""
    assert item["kind"] in (*KINDS, BUILDER)
    assert isinstance(item["id"], str)
    assert item["id"]
    assert all(isinstance(name, str) and name for name in item["names"])
    assert item["action"] in ("keep", "remove")
    assert is_bytes(item["freed_bytes"])
    assert item["action"] == "remove" or item["freed_bytes"] == 0
    assert item["reasons"], item
    for reason in item["reasons"]:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", reason["rule"]), reason
        assert reason["text"]
        assert isinstance(reason["facts"], dict)


def check_clean(document: dict[str, Any]) -> dict[Key, dict[str, Any]]:
    """A clean; answers the items by kind and ID."""
    items = check_plan(document)
    outcome = document["outcome"]
    for result in ("removed", "skipped", "failed", "unknown", "not_tried"):
        assert outcome[result] == sum(item["result"] == result for item in items.values())
    assert is_bytes(outcome["freed_bytes"])
    assert outcome["freed_bytes"] == sum(i["outcome_freed_bytes"] for i in items.values())
    assert outcome["planned_bytes"] == document["freed_bytes"]
    assert outcome["seconds"] >= 0
    for item in items.values():
        assert (item["result"] == "kept") == (item["action"] == "keep"), item
        assert item["result"] in ("removed", "kept") or item["detail"], item
        assert item["result"] == "removed" or item["outcome_freed_bytes"] == 0
    return items


def removed(items: dict[Key, dict[str, Any]]) -> set[Key]:
    """The objects that went."""
    return {key for key, item in items.items() if item.get("result") == "removed"}


def is_bytes(value: object) -> bool:
    """A whole number of bytes."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
