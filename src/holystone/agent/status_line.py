"""How the agent is doing, in one line for systemd; and the watermarks in words, for the log."""

from __future__ import annotations

from holystone.agent.state import UP, Now
from holystone.planner.policy import Mark, Watermarks
from holystone.planner.units import format_size


def status_line(now: Now) -> str:
    """What it does, and how full the disk is."""
    if now.engine != UP:
        return f"the engine is {now.engine}"
    disk = ""
    if now.disk.free_bytes is not None:
        disk = f"{format_size(now.disk.free_bytes)} free"
        disk += f", disk {now.mark}" if now.mark else ""
    parts = [f"runs {now.running}" if now.running else "watches", disk]
    return "; ".join(filter(None, parts))


def marks_in_words(marks: Watermarks) -> dict[str, str]:
    """The watermarks by name: ``85% used``, ``20.0 GB free``."""
    return {
        "high": _in_words(marks.high),
        "low": _in_words(marks.low) if marks.low else "just below high",
        "critical": _in_words(marks.critical),
        "inodes": f"{marks.inodes * 100:.8g}% used",
    }


def _in_words(mark: Mark) -> str:
    if mark.free_bytes is not None:
        return f"{format_size(mark.free_bytes)} free"
    return f"{(mark.used_share or 0.0) * 100:.8g}% used"
