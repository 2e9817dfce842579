"""One figure: what was measured, what it is held against, and what is aimed at."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value, and that of a named alternative in the same run."""

    key: str
    """Which figure it is; a new measurement takes the place of the one with this key."""
    name: str
    value: float
    unit: str
    aim: float
    """The value is to be this at most, or the ratio where the unit of the aim is ``x``."""
    against: str = ""
    """The alternative; empty where there is none."""
    other: float | None = None
    """What it came to, in the same unit."""
    aims_at_ratio: bool = False
    note: str = ""
    date: str = field(default_factory=lambda: time.strftime("%Y-%m-%d", time.gmtime()))
    load: float = field(default_factory=lambda: round(os.getloadavg()[0], 1))
    """The load of the machine when it was measured, this bench included."""

    @property
    def ratio(self) -> float | None:
        """The value over that of the alternative."""
        return None if not self.other else self.value / self.other

    @property
    def reached(self) -> bool:
        """Whether the aim is reached."""
        told = self.ratio if self.aims_at_ratio else self.value
        return told is not None and told <= self.aim

    def as_json(self) -> dict[str, object]:
        """Everything, with the ratio."""
        ratio = self.ratio
        return {**asdict(self), "ratio": None if ratio is None else round(ratio, 3)}


@dataclass(frozen=True, slots=True)
class Curve:
    """One panel of the picture: values over seconds, by the name of the line."""

    key: str
    title: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    mark: float | None = None
    """A level line: the aim, or the high mark."""
    mark_name: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one bench found."""

    figures: Sequence[Figure]
    curves: Sequence[Curve] = ()
