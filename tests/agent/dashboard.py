"""Grafana's dashboard for the agent: ``python -m tests.agent.dashboard`` writes it anew.

Its JSON is in ``src/holystone/integrations/prometheus``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.agent.dashboard_panels import BLUE, ROWS, Panel
from tests.docs.tracked import ROOT

PATH = ROOT / "src/holystone/integrations/prometheus/grafana.json"
Json = dict[str, Any]
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def dashboard() -> Json:
    """The whole of it, as Grafana imports it."""
    return {
        "uid": "holystone-agent",
        "title": "holystone agent",
        "description": "The disks of Docker hosts that holystone agent keeps in order.",
        "tags": ["docker", "disk", "holystone"],
        "schemaVersion": 41,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "timezone": "",
        "annotations": {"list": [_restarts()]},
        "links": [],
        "templating": {"list": [_data_source(), _instance()]},
        "panels": list(_panels()),
    }


def _panels() -> Iterator[Json]:
    number, top = 0, 0
    for row in ROWS:
        number += 1
        place = {"x": 0, "y": top, "w": 24, "h": 1}
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False,
               "gridPos": place, "panels": []}  # fmt: skip
        top, left = top + 1, 0
        for panel in row.panels:
            if left + panel.width > 24:
                top, left = top + row.height, 0
            number += 1
            place = {"x": left, "y": top, "w": panel.width, "h": row.height}
            yield {"id": number, **_panel(panel), "gridPos": place}
            left += panel.width
        top += row.height


def _panel(panel: Panel) -> Json:
    queries = [
        {
            "refId": chr(ord("A") + place),
            "datasource": _SOURCE,
            "expr": query.expr.replace("@", 'instance=~"$instance"'),
            "legendFormat": query.legend,
            # Only the present counts where one value is shown.
            **({"range": True} if panel.type == "timeseries" else {"instant": True}),
        }
        for place, query in enumerate(panel.queries)
    ]
    defaults: Json = {
        "unit": panel.unit,
        "min": 0,
        "thresholds": {
            "mode": "absolute",
            "steps": [{"color": colour, "value": value} for colour, value in panel.steps],
        },
        "mappings": _mappings(panel),
    }
    if panel.empty:
        defaults["noValue"] = panel.empty
    if panel.type == "timeseries":
        defaults["custom"] = {
            "drawStyle": "bars" if panel.bars else "line",
            "fillOpacity": 80 if panel.bars else 20 if panel.stacked else 5,
            "lineWidth": 1,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        }
    overrides = [_limits(panel.dashed)] if panel.dashed else []
    return {
        "type": panel.type,
        "title": panel.title,
        "description": panel.told,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": overrides},
        "options": _options(panel),
        "targets": queries,
    }


def _mappings(panel: Panel) -> list[Json]:
    if not panel.values:
        return []
    options = {
        value: {"text": text, "color": colour, "index": index}
        for index, (value, (text, colour)) in enumerate(panel.values.items())
    }
    return [{"type": "value", "options": options}]


def _limits(pattern: str) -> Json:
    return {
        "matcher": {"id": "byRegexp", "options": f"/{pattern}/"},
        "properties": [
            {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 8]}},
            {"id": "custom.fillOpacity", "value": 0},
        ],
    }


def _options(panel: Panel) -> Json:
    last = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    if panel.type == "stat":
        return {
            "reduceOptions": last,
            "colorMode": "value",
            "graphMode": "none",
            "textMode": "name" if panel.by_name else "auto",
            "wideLayout": True,
        }
    if panel.type == "bargauge":
        return {"reduceOptions": last, "displayMode": "basic", "orientation": "horizontal"}
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def _data_source() -> Json:
    return {"name": "datasource", "type": "datasource", "label": "Prometheus",
            "query": "prometheus"}  # fmt: skip


def _instance() -> Json:
    asked = "label_values(holystone_build_info, instance)"
    return {
        "name": "instance",
        "type": "query",
        "label": "Host",
        "datasource": _SOURCE,
        "definition": asked,
        "query": {"query": asked, "refId": "instance"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _restarts() -> Json:
    return {
        "name": "Agent began",
        "datasource": _SOURCE,
        "enable": True,
        "iconColor": BLUE,
        "expr": 'changes(holystone_started_timestamp_seconds{instance=~"$instance"}[2m]) > 0',
        "titleFormat": "holystone agent began on {{instance}}",
    }


def written() -> str:
    """The file of the dashboard."""
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the file anew."""
    PATH.write_text(written(), encoding="utf-8")


if __name__ == "__main__":
    main()
