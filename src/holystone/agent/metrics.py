"""Metrics for Prometheus, from the state alone: a scrape asks no engine and reads no ledger."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import cache

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from holystone.agent.metric_table import COUNTER, METRICS, Metric
from holystone.agent.state import State


def render(
    state: State, accept: str = "", *, process: bool = True, clock: float | None = None
) -> tuple[bytes, str]:
    """The metrics and their content type: OpenMetrics where ``accept`` takes it, else text.

    ``process``: with those of this process and its Python. ``clock`` is the time, UTC seconds.
    """
    registry = CollectorRegistry()
    registry.register(_StateCollector(state, time.time() if clock is None else clock))
    if process:
        for collector in _of_process():
            registry.register(collector)
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


@cache
def _of_process() -> tuple[Collector, ...]:
    # With registry=None they are not added to the library's global registry, which is not used.
    return ProcessCollector(registry=None), PlatformCollector(registry=None)


class _StateCollector(Collector):
    """Reads every metric of the table from a state."""

    def __init__(self, state: State, now: float) -> None:
        self._state = state
        self._now = now

    def collect(self) -> Iterator[Family]:
        """Each metric with its series."""
        for metric in METRICS:
            yield self._family(metric)

    def _family(self, metric: Metric) -> Family:
        samples = metric.read(self._state, self._now)
        if metric.times is not None:
            counts = dict(metric.times(self._state, self._now))
            summary = SummaryMetricFamily(metric.name, metric.told, labels=metric.labels)
            for labels, value in samples:
                summary.add_metric(labels, int(counts[labels]), value)
            return summary
        family: CounterMetricFamily | GaugeMetricFamily
        make = CounterMetricFamily if metric.type == COUNTER else GaugeMetricFamily
        family = make(metric.name, metric.told, labels=metric.labels)
        for labels, value in samples:
            family.add_metric(labels, value)
        return family
