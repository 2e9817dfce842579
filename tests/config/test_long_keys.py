"""Files that would take for ever to read, or be answered with more lines than anybody reads."""

from __future__ import annotations

import time

import pytest

from holystone.config.edit import CannotAdd, add
from holystone.config.errors import ConfigError
from holystone.config.load import HERE
from holystone.config.reading import read_all
from holystone.config.toml_text import MOST_PARTS, Lines, loads

_LONG = 50_000
_SECONDS = 20.0
"""Much more than any of these takes; without a limit each takes hours."""


@pytest.fixture(autouse=True)
def _in_time() -> object:
    began = time.process_time()
    yield
    assert time.process_time() - began < _SECONDS


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a." * _LONG + "b = 1", 1),
        ("[protect]\n" + "a . " * _LONG + "b = 1", 2),
        ("[protect]\n" + "\"a\".\t'b'." * _LONG + "b = 1", 2),
        ("[" + "a." * _LONG + "b]\n", 1),
        ("\n\n[[" + "a." * _LONG + "b]]\n", 3),
        ("x = {" + "a." * _LONG + "b = 1}\n", 1),
        ('x = """\n\\""" \n"""\n' + "a." * _LONG + "b = 1", 4),
        ("x = \"it's\" # it's\n" + "1." * _LONG + "b = 1", 2),
    ],
)
def test_a_key_of_too_many_parts_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(ConfigError) as raised:
        read_all([(HERE, text.encode())], here=HERE)
    assert str(raised.value).startswith(
        f"./holystone.toml:{line}: not valid TOML: a key has more than {MOST_PARTS} parts"
    )
    Lines(text)
    with pytest.raises(CannotAdd):
        add(text, ["a"])


@pytest.mark.parametrize("mark", ['"', "'", '"""', "'''", '"""\\', "\\"])
def test_strings_that_are_not_closed_are_read_in_time(mark: str) -> None:
    with pytest.raises(ValueError, match=r"line 1,|end of document"):
        loads("x = " + mark + ". " * _LONG + mark[:1] * 9 * _LONG + " .")


@pytest.mark.parametrize(
    "text",
    [
        ".".join("a" * MOST_PARTS) + " = 1",
        'x = "' + "a." * _LONG + '"',
        "x = '" + "a." * _LONG + "'",
        'x = """' + '\\"""a.\n' * 99 + '"""',
        "x = '''" + "'a.\n" * 99 + "'''",
        "# " + "a." * _LONG + "\nx = 1",
        "x = [" + "1.5, " * _LONG + "]",
        "x = [" + "1.5,\n" * _LONG + "]",
        "\n".join(f"a.b.c{at} = 1.5" for at in range(99)),
    ],
)
def test_dots_elsewhere_are_no_parts(text: str) -> None:
    assert loads(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("\n".join(f"k{at} = 1" for at in range(90_000)), 90_000),
        ("[protect]\n" + "\n".join(f"k{at} = 1" for at in range(60_000)), 60_000),
        ("[protect]\nimages = [" + "1, " * 90_000 + "]", 90_000),
        ("\n".join(f"[levels.k{at}]" for at in range(50_000)), 50_000),
    ],
)
def test_of_very_many_errors_the_first_are_told(text: str, count: int) -> None:
    with pytest.raises(ConfigError) as raised:
        read_all([(HERE, text.encode())], here=HERE)
    told = str(raised.value).split("\n")
    assert told[0] == f"the configuration has {count:,} errors:"
    assert told[-1] == f"  and {count - 20:,} more"
    assert len(told) == 22
    assert len(raised.value.faults) == count


def test_very_many_rules_in_vain_are_found_in_time() -> None:
    rules = (f'[[images.rules]]\nname = "r{at}"\nunused_for = "0s"\n' for at in range(10_000))
    told = read_all([(HERE, "".join(rules).encode())], here=HERE).without_effect
    assert len(told) == 10_000
    assert [each.line for each in told[:2]] == [1, 4]
