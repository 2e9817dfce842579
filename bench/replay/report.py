"""What the replays came to, as tables and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.replay.alone import Measured
from holystone.planner.units import format_size
from holystone.replay.orders import ORDERS, UNKNOWN
from holystone.replay.result import TraceFacts
from holystone.replay.running import Job

BASELINE = "lru"


class Told(NamedTuple):
    """A trace and everything that was measured on it."""

    facts: TraceFacts
    budgets: Sequence[int]
    measured: Mapping[Job, Measured]
    bounds: Mapping[int, int]
    """The fewest bytes that any order pulls which keeps a budget."""
    worst: Mapping[str, tuple[int, float]]
    """By order the budget where it compares worst with lru, and how many times the bytes or the
    stalls of lru it has there."""
    flattens: Mapping[str, int | None]

    @property
    def orders(self) -> list[str]:
        """Every order, in turn."""
        return list(dict.fromkeys(job.order for job in self.measured))


def table(told: Told) -> str:
    """A row for each order, two columns for each budget."""
    budgets = "".join(f" {format_size(b)}: pulled | stalls |" for b in told.budgets)
    head = f"| {told.facts.name} |{budgets} at worst | flat from | seconds | memory |"
    rows = [head, "|---|" + "---:|" * (2 * len(told.budgets) + 4)]
    for order in told.orders:
        measured = [told.measured[Job(order, budget)] for budget in told.budgets]
        cells = [cell for each in measured for cell in _figures(each, told)]
        worst = told.worst.get(order)
        flat = told.flattens.get(order)
        cells += [
            f"{worst[1] - 1:+.1%} at {format_size(worst[0])}" if worst else "",
            format_size(flat) if flat else "",
            f"{max(each.seconds for each in measured):.2f}",
            format_size(max(each.peak_memory_bytes for each in measured)),
        ]
        rows.append(f"| {order} | {' | '.join(cells)} |")
    bounds = " | ".join(f"{told.bounds[budget] / 1e9:.0f} GB |" for budget in told.budgets)
    rows.append(f"| lower bound | {bounds} | | | |")
    return "\n".join(rows)


def _figures(measured: Measured, told: Told) -> tuple[str, str]:
    """Gigabytes pulled, and stalls, each with the difference to lru."""
    result = measured.replayed
    lru = told.measured[Job(BASELINE, result.budget_bytes)].replayed
    pulled, stalls = f"{result.pulled_bytes / 1e9:.0f} GB", str(result.stalls)
    # What knows no budget pulls the same under each, which says it all.
    if result.order == BASELINE or ORDERS[result.order].budget == UNKNOWN:
        return pulled, stalls
    return (
        f"{pulled} {_against(result.pulled_bytes, lru.pulled_bytes)}",
        f"{stalls} {_against(result.stalls, lru.stalls)}",
    )


def _against(count: int, baseline: int) -> str:
    return f"({count / baseline - 1:+.1%})" if baseline else ""


def as_json(told: Sequence[Told]) -> str:
    """Everything, sizes in bytes."""
    traces = [
        {
            "trace": each.facts._asdict(),
            "bounds": [
                {"budget_bytes": budget, "pulled_bytes": pulled}
                for budget, pulled in each.bounds.items()
            ],
            "results": [
                {
                    **measured.replayed._asdict(),
                    "seconds": measured.seconds,
                    "peak_memory_bytes": measured.peak_memory_bytes,
                }
                for measured in each.measured.values()
            ],
            "worst_against_lru": [
                {"order": order, "budget_bytes": budget, "ratio": round(ratio, 4)}
                for order, (budget, ratio) in each.worst.items()
            ],
            "flattens": dict(each.flattens),
        }
        for each in told
    ]
    return json.dumps({"schema": 1, "traces": traces}, indent=2) + "\n"


def rewritten(text: str, block: str, mark: str) -> str:
    """The document with the block between its two marks. Raises ValueError where they are not."""
    start, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->\n"
    before, found, rest = text.partition(start)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"the document has no block {start.strip()} … {end.strip()}")
    return f"{before}{start}\n{block}\n\n{end}{after}"


def write(path: Path, text: str) -> None:
    """Write a file, in a folder that may not be there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
