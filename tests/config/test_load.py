"""Which files are looked for, what becomes of those that cannot be used, and where faults are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from holystone.config.errors import ConfigError
from holystone.config.load import Docker, load
from holystone.planner.policy import LEVELS, TAKES, Policy

GIGABYTE = 10**9
BUDGET = '[build_cache]\nbudget = "{}GB"\n'


def environ(host: Path, **variables: str) -> dict[str, str]:
    return {"HOME": str(host / "home"), **variables}


def budget(host: Path, explicit: str | None = None, **variables: str) -> float:
    made = load(explicit, environ(host, **variables)).policy("routine")
    return (made.cache.budget_bytes or 0) / GIGABYTE


def test_without_files_the_defaults_count(host: Path) -> None:
    found = load(None, environ(host))
    assert [place.found for place in found.places] == [False, False, False]
    for level in LEVELS:
        assert found.policy(level) == Policy(level, TAKES[level])


def test_the_nearest_file_counts(host: Path) -> None:
    (host / "etc/holystone.toml").write_text(BUDGET.format(3))
    assert budget(host) == 3
    (host / "home/.config/holystone/holystone.toml").write_text(BUDGET.format(2))
    assert budget(host) == 2
    (host / "xdg/holystone").mkdir(parents=True)
    (host / "xdg/holystone/holystone.toml").write_text(BUDGET.format(5))
    assert budget(host, XDG_CONFIG_HOME=str(host / "xdg")) == 5
    assert budget(host, XDG_CONFIG_HOME="relative") == 2
    (host / "work/holystone.toml").write_text(BUDGET.format(1))
    assert budget(host) == 2, "a file in the current folder only protects more"
    (host / "work/holystone.toml").write_text(BUDGET.format(9))
    assert budget(host) == 9


def test_a_named_file_counts_alone(host: Path) -> None:
    (host / "work/holystone.toml").write_text(BUDGET.format(1) + "[protect]\nnewest = 3\n")
    (host / "a.toml").write_text(BUDGET.format(7))
    (host / "b.toml").write_text(BUDGET.format(8))
    found = load(str(host / "a.toml"), environ(host, HOLYSTONE_CONFIG=str(host / "b.toml")))
    assert found.policy("routine").cache.budget_bytes == 7 * GIGABYTE
    assert found.policy("routine").protect.newest == 0
    assert found.places == ((str(host / "a.toml"), True, "--config"),)
    assert budget(host, HOLYSTONE_CONFIG=str(host / "b.toml")) == 8
    assert budget(host, HOLYSTONE_CONFIG="./holystone.toml") == 1


def test_an_empty_file_is_one(host: Path) -> None:
    (host / "a.toml").write_text("")
    found = load(str(host / "a.toml"), environ(host))
    assert found.places[0].found
    assert found.policy("deep") == Policy("deep", TAKES["deep"])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, ": --config names this file, and there is none. Correct it, or write"),
        (lambda path: path.mkdir(), ": it is a directory, not a regular file. Mend that, or name"),
        (os.mkfifo, ": it is a FIFO, not a regular file. Mend that, or name"),
        (lambda path: path.symlink_to("/dev/zero"), ": it is a device, not a regular file. Mend"),
        (lambda path: path.write_bytes(b"#" * 1_000_001), ": it is larger than 1 MB. Mend that"),
        (lambda path: path.symlink_to(path), ": cannot read it: too many levels of symbolic links"),
        (lambda path: path.write_bytes(b"\n[protect]\n# \xff"), ":3: it is not UTF-8; save it as"),
        (
            lambda path: path.write_text("\n[protect\n"),
            ":2: not valid TOML: Expected ']' at the end",
        ),
        (lambda path: path.write_text("a = [\n\n"), ":3: not valid TOML: Invalid value; 'holyst"),
        (lambda path: path.write_text("a=" + "[" * 50_000), ": not valid TOML: "),
        (lambda path: path.write_text("a=" + "9" * 5_000), "a number or date is out of bounds"),
        (lambda path: path.write_text("a=1\na=2"), ":2: not valid TOML: Cannot overwrite a value"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_a_file_that_cannot_be_used(host: Path, make: object, words: str) -> None:
    path = host / "a.toml"
    assert callable(make)
    make(path)
    with pytest.raises(ConfigError) as raised:
        load(str(path), environ(host))
    (fault,) = raised.value.faults
    assert f"{path}{words}" in str(fault) if words.startswith(":") else words in str(fault)


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_a_name_that_is_none(host: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="that is no name of a file"):
        load(name, environ(host))


def test_utf8_with_a_mark_and_windows_lines(host: Path) -> None:
    (host / "a.toml").write_bytes(b"\xef\xbb\xbf[protect]\r\nnewest = 3\r\n")
    assert load(str(host / "a.toml"), environ(host)).policy("routine").protect.newest == 3


def test_the_faults_of_all_files_come_at_once_with_their_lines(host: Path) -> None:
    (host / "work/holystone.toml").write_text(
        """\
# levls = 3
[protect]
images = [
    "python",
    # "Node" was here
    'Node',
]
labels = "x"

[levls.weekly]

[[images.rules]]
name = "a"
unused_for = "1d"

[[images.rules]]
name = "b"
note = \"\"\"
unused_for = 3
\"\"\"
unused_for = 4
levels.deep = true
"""
    )
    (host / "etc/holystone.toml").write_text("[x")
    with pytest.raises(ConfigError) as raised:
        load(None, environ(host))
    faults = raised.value.faults
    assert [(Path(fault.file).parent.name, fault.line, fault.key) for fault in faults] == [
        ("", 6, "protect.images[1]"),
        ("", 8, "protect.labels"),
        ("", 10, "levls"),
        ("", 18, "images.rules[1].note"),
        ("", 21, "images.rules[1].unused_for"),
        ("", 22, "images.rules[1].levels"),
        ("etc", 1, ""),
    ]  # fmt: skip
    assert str(raised.value).splitlines()[1].startswith("  ./holystone.toml:6: protect.images[1]: ")


def docker(host: Path, content: str) -> Docker:
    (host / "home/.docker").mkdir(exist_ok=True)
    (host / "home/.docker/config.json").write_text(content)
    return load(None, environ(host)).docker


def test_prune_filters_of_docker_protect(host: Path) -> None:
    filters = ["label=keep", "label!=stage=prod", "until=24h", "label=", "dangling"]
    found = docker(host, json.dumps({"auths": {}, "pruneFilters": filters}))
    assert found.prune_filters == ("label=keep", "label!=stage=prod")
    assert found.ignored == ("until=24h", "label=", "dangling")
    made = load(None, environ(host)).policy("weekly")
    assert made.prune_filters == ("label=keep", "label!=stage=prod")
    (host / "other").mkdir()
    elsewhere = environ(host, DOCKER_CONFIG=str(host / "other"))
    assert load(None, elsewhere).policy("weekly").prune_filters == ()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", ""),
        ('{"pruneFilters": [', "not valid JSON"),
        ('{"pruneFilters": ' + "[" * 100_000, "not valid JSON"),
        ('{"pruneFilters": "label=x"}', "pruneFilters is no list of texts"),
        ('{"pruneFilters": [1]}', "pruneFilters is no list of texts"),
        ('{"pruneFilters": null}', ""),
        ('["pruneFilters"]', ""),
    ],
    ids=lambda text: text[:30],
)
def test_a_broken_configuration_of_docker_is_noted(host: Path, content: str, problem: str) -> None:
    found = docker(host, content)
    assert found.problem.startswith(problem)
    assert bool(found.problem) == bool(problem)
    assert found.prune_filters == ()


def test_no_file_costs_no_imports(tmp_path: Path) -> None:
    program = (
        "import sys; from holystone.config.load import load; "
        f"load(None, {{'HOME': {str(tmp_path)!r}}}).policy('weekly'); "
        "slow = {'tomllib', 'tomlkit', 'holystone.config.keys'}; "
        "print(*sorted(slow & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_a_key_of_an_earlier_version_is_told_with_its_mend(host: Path) -> None:
    (host / "etc/holystone.toml").write_text('[refresh]\nlimit_rate = "5MB/s"\n')
    with pytest.raises(ConfigError) as raised:
        load(None, environ(host))
    (fault,) = raised.value.faults
    assert (fault.line, fault.key) == (2, "refresh.limit_rate")
    assert fault.problem.endswith("no longer limits the rate of pulls; take this line out")
