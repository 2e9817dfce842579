"""Budgets by pattern: how they are read and written, and what of them has no effect."""

from __future__ import annotations

from pathlib import Path

import pytest

from holystone.config.effective import effective
from holystone.config.errors import ConfigError
from holystone.config.lint import remarks, without_match
from holystone.config.load import load
from holystone.config.reading import policy_from
from holystone.planner.inventory import Engine, Inventory, Volume
from holystone.planner.policy import Budget

STATE = "buildx_buildkit_ci0_state"
HOST = Inventory(
    Engine("e", "runner", "28", "1.51", "overlay2"),
    0.0,
    volumes=(Volume("cache-a"), Volume(STATE)),
)


def said(folder: Path, text: str) -> list[str]:
    """What ``config check`` remarks on a file with this text, on that host."""
    file = folder / "holystone.toml"
    file.write_text(text)
    found = load(str(file), {})
    return [f"{each.key}: {each.text}" for each in (*remarks(found), *without_match(found, HOST))]


def test_the_first_pattern_that_matches_counts() -> None:
    rules = policy_from(
        {"builders": {"budget": "20GB", "budgets": ["ci1=0", "ci*=1GiB"]}}, "weekly"
    ).builders
    assert rules.budgets == (Budget("ci1", 0), Budget("ci*", 2**30))
    assert [rules.of(name) for name in ("ci1", "ci0", "desk0")] == [0, 2**30, 20 * 10**9]
    assert policy_from({}, "weekly").builders.of("ci0") is None


def test_a_budget_is_shown_as_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "holystone.toml"
    file.write_text('[volumes]\nbudgets = ["a-*=2GiB", "b=0"]\n')
    (value,) = [
        each
        for each in effective(load(str(file), {}))
        if (each.table, each.name) == ("volumes", "budgets")
    ]
    assert value.value == ["a-*=2GiB", "b=0B"]
    assert policy_from({"volumes": {"budgets": value.value}}, "weekly").volumes.budgets == (
        Budget("a-*", 2**31),
        Budget("b", 0),
    )


@pytest.mark.parametrize(
    "budget", ["ci-*", "ci-*=", "=1GB", "ci *=1GB", "ci-*=10%", "ci-*=-1GB", 5]
)
@pytest.mark.parametrize("table", ["builders", "volumes"])
def test_what_is_no_budget_is_refused_with_the_mend(table: str, budget: object) -> None:
    with pytest.raises(ConfigError) as caught:
        policy_from({table: {"budgets": [budget]}}, "weekly")
    (fault,) = caught.value.faults
    assert fault.key == f"{table}.budgets[0]"
    assert 'like "ci-*=50GB"' in fault.problem


def test_what_has_no_effect_is_remarked(tmp_path: Path) -> None:
    assert said(tmp_path, '[volumes]\nbudgets = ["cache-*=1GB"]\n') == []
    assert said(tmp_path, '[builders]\nbudgets = ["ci*=1GB"]\n') == []
    assert said(tmp_path, '[volumes]\nbudgets = ["x-*=1GB"]\n') == [
        "volumes.budgets: 'x-*' matches no volume here"
    ]
    assert said(tmp_path, '[builders]\nbudgets = ["x*=1GB"]\n') == [
        "builders.budgets: 'x*' is no builder here"
    ]
    assert said(tmp_path, '[volumes]\nremove = "never"\nbudgets = ["cache-*=1GB"]\n') == [
        "volumes.budgets: without effect, since volumes.remove is 'never'"
    ]


def test_a_file_in_a_checkout_sets_no_budget() -> None:
    """It could let more go, or keep what the owner lets go: it is the owner's word."""
    owner = {"builders": {"budget": "20GB"}}
    here = {"builders": {"budget": "0", "budgets": ["*=0"]}, "volumes": {"budgets": ["*=0"]}}
    assert policy_from(owner, "weekly", here).builders.of("ci0") == 20 * 10**9
    assert policy_from(owner, "weekly", here).volumes.budgets == ()
