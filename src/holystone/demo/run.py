"""The last clean of the demo host before anybody tried it: a weekly one of the night before."""

from __future__ import annotations

from holystone.demo.contents import demo_inventory
from holystone.demo.making import DAY, HOUR
from holystone.demo.registry import demo_registries
from holystone.planner.inventory import Disk, Image, Inventory
from holystone.planner.verdict import Fact, Plan, Reason, Rule, Step, Verdict

_BEFORE = 19 * HOUR
# Reference, days since it was last used, bytes that came free.
_REMOVED = (
    ("node:16-alpine", 44, 111_303_318),
    ("registry.example.com/team/backend:1.40.2", 39, 26_417_722),
)


def demo_run(now: float) -> tuple[Inventory, Plan]:
    """The host as that clean found it, as far as that matters, and what it removed."""
    at = now - _BEFORE
    inventory, _ = demo_inventory(at)
    registries = demo_registries(now)
    images: list[Image] = []
    verdicts = []
    steps = []
    for reference, days, freed in _REMOVED:
        image = registries.get(reference)
        if image is None:
            raise LookupError(reference)
        facts: dict[str, Fact] = {
            "policy": "default",
            "reference": reference,
            "idle": days * DAY - _BEFORE,
            "sign": "last used",
            "unused_for": 30 * DAY,
        }
        reasons = (Reason(Rule.EXPIRED, facts),)
        images.append(image._replace(tags=(reference,)))
        verdicts.append(
            Verdict(
                "image", image.id, (reference,), remove=True, reasons=reasons, freed_bytes=freed
            )
        )
        steps.append(Step("image", image.id, (reference,), freed))
    total = sum(step.freed_bytes for step in steps)
    disk = inventory.disk
    if disk.free_bytes is not None:
        disk = Disk(disk.total_bytes, disk.free_bytes + 3_141_592_653)
    made = Plan(
        "weekly",
        at,
        inventory.engine,
        disk,
        tuple(verdicts),
        tuple(steps),
        total,
        estimated=False,
        at_least=total,
        at_most=total,
    )
    return inventory._replace(images=tuple(images), disk=disk), made
