"""Several files: the nearest counts, but what any of them protects stays protected."""

from __future__ import annotations

import tomllib

import pytest

from holystone.config.errors import ConfigError
from holystone.config.reading import read, read_all
from holystone.config.settings import Settings, merged
from holystone.planner.inventory import Engine, Image, Inventory
from holystone.planner.policy import Policy
from holystone.planner.protection import Protection
from holystone.planner.usage import Usage


def of(*texts: str) -> Settings:
    """The settings of files with these texts, the nearest first: ``file0``, ``file1``."""
    return merged([(f"file{at}", read(tomllib.loads(text))[0]) for at, text in enumerate(texts)])


def routine(*texts: str) -> Policy:
    """What these files, the nearest first, make of a routine clean."""
    return of(*texts).policy("routine")


def protects(made: Policy, tag: str) -> bool:
    """Whether a policy protects an image with this tag."""
    inventory = Inventory(Engine("e", "e", "28", "1.51", "overlay2"), 0.0, (Image("i", (tag,)),))
    protection = Protection(inventory, Usage(), made, 0.0)
    return protection.of_image(inventory.images[0], 0.0, 0.0, lost=False) is not None


def test_the_nearest_value_counts_key_by_key() -> None:
    near = '[build_cache]\nbudget = "5GB"'
    far = '[build_cache]\nbudget = "9GB"\nunused_for = "1d"\n[levels.weekly]\nvolumes = false'
    made = routine(near, far)
    assert made.cache.budget_bytes == 5_000_000_000
    assert made.cache.unused_for == 86400
    assert of(near, far).policy("weekly").takes.volumes is False


def test_a_near_share_takes_the_place_of_far_bytes() -> None:
    made = routine('[build_cache]\nbudget = "50%"', '[build_cache]\nbudget = "9GB"')
    assert made.cache.budget(1000) == 500


@pytest.mark.parametrize(
    ("near", "far", "field", "counts"),
    [
        ("official = false", "official = true", "official", True),
        ("official = true", "official = false", "official", True),
        ("local = false", "local = true", "local", True),
        ("newest = 1", "newest = 3", "newest", 3),
        ("newest = 5", "newest = 3", "newest", 5),
        ('larger_than = "9GB"', 'larger_than = "2GB"', "larger_than", 2 * 10**9),
        ('larger_than = "1GB"', 'larger_than = "2GB"', "larger_than", 10**9),
        ('used_within = "1h"', 'used_within = "2h"', "used_within", 7200.0),
        ('min_age = "3h"', 'min_age = "2h"', "min_age", 10800.0),
        ('labels = ["a"]', 'labels = ["b"]', "labels", ("b", "a")),
        ("labels = []", 'labels = ["b"]', "labels", ("b",)),
    ],
)
def test_of_protection_the_strictest_counts(
    near: str, far: str, field: str, counts: object
) -> None:
    made = routine(f"[protect]\n{near}", f"[protect]\n{far}")
    assert getattr(made.protect, field) == counts


def test_no_file_takes_back_what_another_protects() -> None:
    owner = '[protect]\nimages = ["team/*", "!team/scratch"]'
    repository = '[protect]\nimages = ["team/scratch:kept", "**", "!team/app"]'
    for made in (routine(repository, owner), routine(owner, repository)):
        assert protects(made, "team/app:1")
        assert protects(made, "team/scratch:kept")
    for made in (routine(owner), routine("[protect]\nimages = []", owner)):
        assert protects(made, "team/app:1")
        assert not protects(made, "team/scratch:1")


def test_near_rules_are_asked_first_and_replace_far_ones_of_their_name() -> None:
    rule = '[[images.rules]]\nname = "{}"\nunused_for = "{}"\n'
    near, far = rule.format("a", "1d") + rule.format("b", "2d"), rule.format("c", "3d")
    made = routine(near, far + rule.format("b", "9d"))
    assert [(each.name, each.unused_for) for each in made.retention] == [
        ("a", 86400), ("b", 2 * 86400), ("c", 3 * 86400), ("default", 30 * 86400),
    ]  # fmt: skip
    settings = of(near, far + rule.format("b", "9d"))
    assert [(each.rule.name, each.file) for each in settings.replaced] == [("b", "file1")]


def test_remembers_which_file_said_what() -> None:
    values = of(
        '[protect]\nnewest = 1\nlabels = ["a"]\n[disk]\nhigh = "82%"',
        '[protect]\nnewest = 3\nlabels = ["b"]\n[disk]\nhigh = "83%"',
    ).values
    assert [each.file for each in values["protect.newest"].given] == ["file1"]
    assert [each.file for each in values["protect.newest"].outweighed] == ["file0"]
    assert [each.file for each in values["protect.labels"].given] == ["file0", "file1"]
    assert [each.file for each in values["disk.high"].given] == ["file0"]


def test_contradictions_between_files_are_placed() -> None:
    near, far = b'[disk]\nhigh = "70%"', b'\n[disk]\nlow = "75%"'
    with pytest.raises(ConfigError) as raised:
        read_all([("near", near), ("far", far)])
    assert str(raised.value) == (
        "far:3: disk.low: disk.low (75%) must leave more free than disk.high (70%); "
        "change one of them"
    )
