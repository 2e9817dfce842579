"""A ``holystone.toml`` found in the current folder comes with a checkout: it only protects more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holystone.config import directions
from holystone.config.directions import Direction
from holystone.config.keys import KEYS, RULE_KEYS, Key
from holystone.config.load import HERE, Configuration, load
from holystone.config.reading import read_all
from holystone.config.settings import Settings
from holystone.planner.inventory import CacheRecord, Engine, Image, Inventory
from holystone.planner.plan import plan
from holystone.planner.policy import LEVELS, Policy
from holystone.planner.usage import Usage

_DAY = 86400.0


def of(here: str, owners: str = "") -> Settings:
    """The settings of a file in the current folder, over one of the owner's."""
    return read_all([(HERE, here.encode()), ("own", owners.encode())], here=HERE)


def vain(settings: Settings) -> list[str]:
    """The keys that were asked for in vain, with their lines."""
    return [f"{each.line}: {each.key}" for each in settings.without_effect]


def test_every_key_has_a_direction() -> None:
    """The table of what a checkout may ask for: a new key is added here on purpose."""
    owners = [key for key in KEYS if key.direction is directions.OWNER]
    assert all(key in owners for key in KEYS if key.of_agent), "it opens no port, sends nothing"
    assert {key.path for key in owners if not key.of_agent} == {
        "disk.high", "disk.low", "disk.critical", "disk.inodes", "refresh.window",
        "images.check_registry", "build_cache.keep_mounts", "builders.budget", "builders.budgets",
        "volumes.budgets",
    }  # fmt: skip
    assert all(isinstance(key.direction, Direction) for key in (*KEYS, *RULE_KEYS))
    assert "direction" not in Key._field_defaults, "no key gets a direction by default"


WIDE: dict[str, tuple[Any, ...]] = {
    "true / false": (True, False),
    "number": (0, 2, 7),
    "duration": (0.0, 60.0, 9 * _DAY),
    'duration / "never"': (0.0, 60.0, 90 * _DAY, None),
    "size": (0, 10**9, 10**13),
    "size / share": (0, 0.5, 5 * 10**9, 0.0, 1.0),
    "exit codes": ((), (0,), (0, 137)),
    "none / retention / all": ("none", "retention", "all"),
    "none / budget / all": ("none", "budget", "all"),
    "never / anonymous / named": ("never", "anonymous", "named"),
    "name patterns": ((), ("a*",), ("a*", "b*")),
    "names": ((), ("kind",), ("kind", "minikube")),
}


@pytest.mark.parametrize("key", [key for key in KEYS if key.direction is not directions.OWNER],
                         ids=lambda key: key.path)  # fmt: skip
def test_no_value_is_less_than_the_owners(key: Key) -> None:
    """Whatever is asked for, the value that counts is the owner's or protects more."""
    values = WIDE.get(key.kind.name, ((), ("a",), ("a", "b")))
    for owners in values:
        for asked in values:
            counts = key.direction.of(asked, owners)
            assert key.direction.of(counts, owners) == counts
            assert key.direction.of(owners, owners) == owners
            assert key.direction.of(owners, counts) == counts, "the owner's takes nothing back"


HOSTILE = """\
[levels.routine]
volumes = true
tagged = "all"
build_cache = "all"
networks = true
stopped_groups = true
[volumes]
remove = "named"
names = ["*"]
unused_for = "0s"
[grace]
untagged = "0s"
never_tagged = "0s"
tagged = "0s"
other = "0s"
[images]
unused_for = "0s"
keep_last = 0
check_registry = false
[containers]
created_for = "0s"
restart_stopped_for = "0s"
group_stopped_for = "0s"
exit_codes = []
tools_off = ["kind"]
[build_cache]
budget = "0"
unused_for = "0s"
[networks]
by_hand = true
[disk]
high = "1%"
low = "900GB free"
[protect]
images = []
larger_than = "1PB"
newest = 0
[refresh]
window = "00:00-00:01"
[[images.rules]]
name = "all"
unused_for = "0s"
"""


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "owners",
    ["", '[grace]\nother = "1h"\n[protect]\nimages = ["a"]\nnewest = 2\nlarger_than = "1GB"\n'],
)
def test_a_hostile_file_loosens_nothing(owners: str, level: str) -> None:
    made, own = of(HOSTILE, owners).policy(level), of("", owners).policy(level)
    # An absolute budget cannot be held against a share without a disk: both count.
    assert made.cache.budget(10**12) == own.cache.budget(10**12)
    kept = (made.also_retained, own.protect.larger_than or made.protect.larger_than)
    assert kept[1]
    made = made._replace(
        also_retained=(), cache=own.cache,
        protect=made.protect._replace(larger_than=own.protect.larger_than, other_images=()),
    )  # fmt: skip
    own = own._replace(protect=own.protect._replace(other_images=()))
    images = own.protect.images
    assert made._replace(protect=made.protect._replace(images=images)) == own


def test_everything_in_vain_is_told_with_its_line_and_the_mend() -> None:
    settings = of(HOSTILE)
    told = vain(settings)
    asked = HOSTILE.splitlines()
    for number, line in enumerate(asked, start=1):
        name = line.partition(" = ")[0]
        same = ("exit_codes", "images", "name", "larger_than", "newest", "budget")
        if " = " in line and name not in same and (number, name) not in (
            (10, "unused_for"), (len(asked), "unused_for"),
        ):  # fmt: skip
            assert any(each.startswith(f"{number}: ") and name in each for each in told), line
    assert f"{len(asked) - 2}: images.rules[0]" in told
    first = next(e for e in settings.without_effect if e.key == "levels.routine.volumes")
    assert str(first) == (
        "./holystone.toml:2: levels.routine.volumes: true has no effect: it would let more go. "
        "false counts (the default)"
    )


@pytest.mark.parametrize(
    ("asked", "owners", "path", "counts"),
    [
        ('[grace]\nother = "1h"', '[grace]\nother = "2h"', "grace.other", 7200.0),
        ('[grace]\nother = "3h"', '[grace]\nother = "2h"', "grace.other", 10800.0),
        ('[images]\nmax_age = "never"', '[images]\nmax_age = "2d"', "images.max_age", None),
        ('[images]\nunused_for = "90d"', "", "images.unused_for", 90 * _DAY),
        ("[containers]\nexit_codes = [0]", "", "containers.exit_codes", (0,)),
        ("[containers]\nexit_codes = [137]", "[containers]\nexit_codes = [0]",
         "containers.exit_codes", (0,)),
        ("[volumes]\nnames = []", '[volumes]\nnames = ["a"]', "volumes.names", ()),
        ('[volumes]\nnames = ["b"]', '[volumes]\nnames = ["a"]', "volumes.names", ("a",)),
        ("[containers]\ntools_off = []", '[containers]\ntools_off = ["kind"]',
         "containers.tools_off", ()),
        ('[containers]\nkeep_labels = ["b"]', '[containers]\nkeep_labels = ["a"]',
         "containers.keep_labels", ("a", "b")),
        ('[volumes]\nremove = "never"', '[volumes]\nremove = "named"\nnames = ["*"]',
         "volumes.remove", "never"),
        ("[levels.weekly]\nvolumes = false", "", "levels.weekly.volumes", False),
        ('[disk]\nhigh = "99%"', "", "disk.high", None),
    ],
)  # fmt: skip
def test_what_protects_more_counts(asked: str, owners: str, path: str, counts: object) -> None:
    setting = of(asked, owners).values[path]
    if path == "disk.high":
        assert [each.file for each in setting.outweighed] == [HERE]
    else:
        assert setting.value == counts


def budget(here: str, owners: str, total: int | None) -> int:
    """The budget on a disk of this size."""
    table = '[build_cache]\nbudget = "{}"'
    made = of(table.format(here), table.format(owners)).policy("routine")
    return made.cache.budget(total)


@pytest.mark.parametrize(
    ("here", "owners", "total", "counts"),
    [
        ("5GB", "9GB", None, 9 * 10**9),
        ("9GB", "5GB", None, 9 * 10**9),
        ("50%", "9GB", 10**9, 9 * 10**9),
        ("50%", "9GB", 10**11, 5 * 10**10),
        ("9GB", "50%", 10**9, 9 * 10**9),
        ("9GB", "50%", 10**11, 5 * 10**10),
        ("10%", "20%", 100, 20),
        ("30%", "20%", 100, 30),
    ],
)
def test_of_two_budgets_the_larger_counts(
    here: str, owners: str, total: int | None, counts: int
) -> None:
    assert budget(here, owners, total) == counts


NOW = 1000 * _DAY


def weekly_removes(here: str, owners: str, *tags: str) -> set[str]:
    """Which of these tags, unused for 100 days, a weekly clean lets go."""
    images = tuple(
        Image(f"sha256:{at:064}", (tag,), (f"{tag.partition(':')[0]}@sha256:{at:064}",),
              created=NOW - 300 * _DAY, last_tagged=NOW - 100 * _DAY, in_registry=True)
        for at, tag in enumerate(tags)
    )  # fmt: skip
    engine = Engine("e", "e", "28", "1.51", "overlay2")
    inventory = Inventory(engine, NOW, images)
    made = plan(inventory, Usage(), of(here, owners).policy("weekly"), NOW)
    return {verdict.names[0] for verdict in made.removed}


@pytest.mark.parametrize("here", [True, False])
@pytest.mark.parametrize("owners", [True, False])
@pytest.mark.parametrize("store", ["classic", "containerd"])
@pytest.mark.parametrize("once", [True, False])
def test_a_checkout_does_not_say_whether_registries_are_asked(
    here: bool, owners: bool, store: str, once: bool
) -> None:
    """On the one store asking lets more go, on the other not asking does."""
    table = "[images]\ncheck_registry = {}\n"
    asked, own = (table.format(str(each).lower()) for each in (here, owners))
    settings = of(asked, own)
    assert settings.policy("weekly").check_registry is owners
    assert vain(settings) == ([] if here is owners else ["2: images.check_registry"])
    image = Image("sha256:1", ("team/a:1",), ("team/a@sha256:1",), created=NOW - 300 * _DAY,
                  last_tagged=NOW - 100 * _DAY, from_registry=once)  # fmt: skip
    inventory = Inventory(Engine("e", "e", "28", "1.51", store), NOW, (image,))
    made, alone = (
        plan(inventory, Usage(), each.policy("deep"), NOW) for each in (settings, of("", own))
    )
    assert made.steps == alone.steps
    assert made.unconfirmed == alone.unconfirmed


def test_cache_mounts_that_a_checkout_wants_take_no_room_from_the_rest() -> None:
    records = (
        CacheRecord("mount", type="exec.cachemount", size=8 * 10**9, created=NOW - 90 * _DAY,
                    last_used=NOW - 5 * _DAY),
        CacheRecord("step", size=4 * 10**9, created=NOW - 90 * _DAY, last_used=NOW - 4 * _DAY),
    )  # fmt: skip
    engine = Engine("e", "e", "28", "1.51", "overlay2")
    inventory = Inventory(engine, NOW, cache=records)
    owners = '[build_cache]\nbudget = "6GB"\n'
    for here in ("", "[build_cache]\nkeep_mounts = true\n"):
        made = plan(inventory, Usage(), of(here, owners).policy("routine"), NOW)
        assert [step.id for step in made.steps] == ["mount"], here


def test_rules_of_a_checkout_keep_longer_and_never_shorter() -> None:
    rule = '[[images.rules]]\nname = "x"\nimages = ["team/*"]\n{}\n'
    owners = rule.format("keep = true")
    tags = ("team/a:1", "other/b:1", "other/b:2")
    assert weekly_removes("", owners, *tags) == {"other/b:1"}
    assert weekly_removes(rule.format('unused_for = "0s"'), owners, *tags) == {"other/b:1"}
    both = '[[images.rules]]\nname = "y"\nimages = ["other/*"]\nunused_for = "200d"\n'
    assert weekly_removes(both, owners, *tags) == set()
    assert weekly_removes(both.replace("200d", "1d"), owners, *tags) == {"other/b:1"}
    assert vain(of(both)) == []


@given(st.sampled_from(LEVELS), st.sampled_from(["", HOSTILE]), st.sampled_from(["", HOSTILE]))
def test_the_owners_own_file_has_full_say(level: str, here: str, owners: str) -> None:
    """What is in vain in a checkout is not where the owner says it."""
    made: Policy = of(here, owners).policy(level)
    if owners and level == "routine":
        assert made.takes.volumes
        assert made.grace.other == 0


def found(host: Path, explicit: str | None = None, **variables: str) -> Configuration:
    return load(explicit, {"HOME": str(host / "home"), **variables})


def test_only_the_file_in_the_current_folder_is_held_back(host: Path) -> None:
    (host / "work/holystone.toml").write_text("[levels.routine]\nvolumes = true\n")
    assert not found(host).policy("routine").takes.volumes
    assert [each.key for each in found(host).without_effect] == ["levels.routine.volumes"]
    for named in (
        found(host, "holystone.toml"),
        found(host, "./holystone.toml"),
        found(host, HOLYSTONE_CONFIG="./holystone.toml"),
    ):
        assert named.policy("routine").takes.volumes
        assert named.without_effect == ()
        assert [source.says for source in named.sources] == ["everything"]


@pytest.mark.parametrize("name", ["etc/holystone.toml", "home/.config/holystone/holystone.toml"])
def test_the_owners_file_is_the_owners_in_its_own_folder_too(
    host: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (host / name).write_text("[levels.routine]\nvolumes = true\n")
    monkeypatch.chdir((host / name).parent)
    made = found(host)
    assert made.policy("routine").takes.volumes
    assert [source.path for source in made.sources] == [str(host / name)]


def test_sources_name_every_file_that_counts(host: Path) -> None:
    assert found(host).sources == ()
    (host / "work/holystone.toml").write_text("")
    (host / "etc/holystone.toml").write_text("")
    (host / "home/.docker").mkdir()
    docker = host / "home/.docker/config.json"
    docker.write_text('{"auths": {}}')
    told = [(HERE, "protection"), (str(host / "etc/holystone.toml"), "everything")]
    assert list(found(host).sources) == told
    docker.write_text('{"pruneFilters": ["label=keep"]}')
    assert list(found(host).sources) == [*told, (str(docker), "pruneFilters")]
