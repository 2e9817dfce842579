"""The dashboard and the rules: they ask for nothing that the agent does not serve."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families as parse

from holystone.agent.metrics import render
from tests.agent.dashboard import PATH, written
from tests.agent.metrics_state import demo_state
from tests.docs.tracked import ROOT

RULES = ROOT / "src/holystone/integrations/prometheus/holystone.rules.yml"
OF_PROMETHEUS = {"job", "instance"}
"""Labels that Prometheus adds."""
OF_NODE_EXPORTER = {"node_textfile_mtime_seconds": {"file"}}


@pytest.fixture(scope="module")
def served() -> dict[str, dict[str, set[str]]]:
    """Every name that is served, its labels and their values."""
    found: dict[str, dict[str, set[str]]] = {}
    for family in parse(render(demo_state())[0].decode()):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


def panels() -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = json.loads(PATH.read_text())["panels"]
    return made


def expressions(document: object) -> Iterator[str]:
    """Every expression for Prometheus in the dashboard, and the query of its variable."""
    if isinstance(document, dict):
        for key, each in document.items():
            if isinstance(each, str) and key in ("expr", "definition"):
                yield each
            else:
                yield from expressions(each)
    elif isinstance(document, list):
        for each in document:
            yield from expressions(each)


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


ASKED = sorted({*expressions(json.loads(PATH.read_text())), *(rule["expr"] for rule in rules())})
_NAME = re.compile(r"(?:holystone|process|python|node)_[a-z0-9_]+")
_MATCHER = re.compile(r'(\w+)(=~|=)"([^"]*)"')


def test_the_file_is_what_the_code_makes() -> None:
    """``python -m tests.agent.dashboard`` writes it anew."""
    assert PATH.read_text() == written()


@pytest.mark.parametrize("asked", ASKED)
def test_only_what_is_served_is_asked_for(
    asked: str, served: dict[str, dict[str, set[str]]]
) -> None:
    names = _NAME.findall(asked)
    assert names or asked.startswith("up{")
    known = set(OF_PROMETHEUS)
    for name in names:
        assert name in served or name in OF_NODE_EXPORTER
        known |= set(served.get(name, ())) | OF_NODE_EXPORTER.get(name, set())
    for words in re.findall(r"(?:by|on|group_left|group_right) \(([^)]*)\)", asked):
        assert set(re.findall(r"\w+", words)) <= known
    for label, operator, value in _MATCHER.findall(asked):
        assert label in known
        if operator == "=" and label not in OF_PROMETHEUS:
            assert any(value in served.get(name, {}).get(label, ()) for name in names)


def test_legends_name_labels_that_are_there(served: dict[str, dict[str, set[str]]]) -> None:
    for panel in panels():
        for target in panel.get("targets", ()):
            there = OF_PROMETHEUS.union(*(served[name] for name in _NAME.findall(target["expr"])))
            summed = re.search(r"sum(?: by \(([^)]*)\))?", target["expr"])
            if summed:
                there = set(re.findall(r"\w+", summed[1] or ""))
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= there, panel["title"]


def test_every_metric_is_on_the_dashboard_or_in_a_rule(
    served: dict[str, dict[str, set[str]]],
) -> None:
    shown = {name for asked in ASKED for name in _NAME.findall(asked)}
    assert {name for name in served if name.startswith("holystone_")} <= shown


def test_panels_are_told_and_placed() -> None:
    found = panels()
    numbers = [panel["id"] for panel in found]
    assert len(set(numbers)) == len(numbers)
    taken: set[tuple[int, int]] = set()
    for panel in found:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
            assert panel["description"].endswith("."), panel["title"]
            assert panel["targets"], panel["title"]


def test_rules_say_how_bad_it_is_and_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert rule["alert"].startswith("Holystone")
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert "{{ $labels.instance }}" in rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith((".", ".{{ end }}"))
