"""Choose the budgets to replay, and find the one above which more disk gains little."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from holystone.replay.orders import ORDERS, UNKNOWN
from holystone.replay.result import Replayed, TraceFacts
from holystone.replay.running import Job

FLAT = 0.1
"""A curve is flat where an order pulls at most so much more than every order must."""
STEP = 1.05
"""How exact the budget is at which a curve flattens: the ratio of two that are tried."""
SHARES = (0.25, 0.5, 1.0)
"""The usual budgets, as shares of the working set."""
_POINTS = 10


def usual(facts: TraceFacts) -> list[int]:
    """A quarter, a half and all of the working set, rounded: where orders differ, and where not.

    Each has room for the largest image.
    """
    sizes = (facts.working_set_bytes * share for share in SHARES)
    return sorted({_rounded(max(size, facts.largest_image_bytes)) for size in sizes})


def sweep(facts: TraceFacts) -> list[int]:
    """Budgets for a curve, rising by a constant ratio, from tight to ample."""
    highest = max(2, facts.working_set_bytes * 3 // 2)
    lowest = max(1, min(max(facts.largest_image_bytes, highest // 16), highest // 2))
    return sorted({_rounded(budget) for budget in between(lowest, highest, _POINTS)})


def between(lowest: int, highest: int, count: int) -> list[int]:
    """So many budgets from the lowest to the highest, both included, rising by one ratio."""
    ratio = (highest / lowest) ** (1 / (count - 1))
    inner = {int(lowest * ratio**point) for point in range(1, count - 1)}
    return sorted({lowest, *inner, highest})


def _rounded(size: float) -> int:
    """The next larger size of two figures, at least one byte."""
    step: int = 10 ** max(0, len(str(int(size))) - 2)
    return max(1, -(-int(size) // step) * step)


def flattening(
    facts: TraceFacts, orders: Sequence[str], run: Callable[[Sequence[Job]], Sequence[Replayed]]
) -> dict[str, int | None]:
    """For each order the smallest budget at which its curve is flat.

    That is where it pulls at most a tenth more than every order must, with any disk. It is found
    by halving, to 5 %, as if more budget never pulled more. None where no budget is enough. Orders
    that know no budget are left out.
    """
    enough = facts.layers_bytes * (1 + FLAT)
    bounded = [order for order in orders if ORDERS[order].budget != UNKNOWN]
    grid = _grid(facts)
    # Below the first place no budget is enough, from the second on each is.
    ranges = {order: (0, len(grid)) for order in bounded}
    while open_ones := {o: (low + high) // 2 for o, (low, high) in ranges.items() if low < high}:
        results = run([Job(order, grid[place]) for order, place in open_ones.items()])
        for (order, place), result in zip(open_ones.items(), results, strict=True):
            low, high = ranges[order]
            flat = result.pulled_bytes <= enough
            ranges[order] = (low, place) if flat else (place + 1, high)
    return {o: grid[low] if low < len(grid) else None for o, (low, _) in ranges.items()}


def _grid(facts: TraceFacts) -> list[int]:
    """The budgets among which that one is looked for: from next to nothing to more than all."""
    budgets = [max(1, facts.working_set_bytes // 16)]
    while budgets[-1] < 2 * facts.layers_bytes:
        budgets.append(int(budgets[-1] * STEP) + 1)
    return budgets


def rounds(facts: TraceFacts, orders: Sequence[str]) -> int:
    """How many replays ``flattening`` takes at most."""
    bounded = sum(ORDERS[order].budget != UNKNOWN for order in orders)
    return bounded * len(_grid(facts)).bit_length()
