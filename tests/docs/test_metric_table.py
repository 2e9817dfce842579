"""Every metric is documented."""

from __future__ import annotations

from holystone.agent.metric_table import METRICS
from tests.docs.metric_table import DOCUMENT, HEADING, rewritten
from tests.docs.tracked import texts


def test_documentation_has_every_metric() -> None:
    text = texts()[DOCUMENT]
    assert f"{HEADING}\n" in text
    assert all(f"\n| `{metric.name}` | " in text for metric in METRICS)
    assert rewritten(text) == text, "`make examples` writes the table anew"
