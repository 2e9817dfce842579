"""The curves of orders over a sweep of budgets, as a picture."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from holystone.present.curve import Curve, svg
from holystone.replay.bound import Bound
from holystone.replay.budgets import between
from holystone.replay.orders import ORDERS, UNKNOWN
from holystone.replay.running import Replays, jobs_of


def picture(
    title: str,
    replays: Replays,
    orders: Sequence[str],
    budgets: Collection[int],
    flattens: Mapping[str, int | None],
) -> str:
    """An SVG with a line for each order, from the smallest of the budgets to the largest.

    ``flattens`` has where the curves do, for a ring there. Raises ReplayFailed.
    """
    replays.run(jobs_of(orders, budgets))
    curves = [
        Curve(order, replays.curve(order), flattens.get(order), ORDERS[order].budget == UNKNOWN)
        for order in orders
    ]
    bound = Bound(replays.trace)
    shown = between(min(budgets), max(budgets), 100)
    return svg(title, curves, [(budget, bound.pulled_bytes(budget)) for budget in shown])
