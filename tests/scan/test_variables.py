"""Variables: what is filled in, and what is left."""

from __future__ import annotations

import pytest

from holystone.scan.variables import COMPOSE, GITLAB, NoValue, Syntax, dotenv, expand

GIVEN = {"A": "1", "EMPTY": "", "WORD": "x y"}


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("a", "a"),
        ("$A", "1"),
        ("${A}b$A-c", "1b1-c"),
        ("$$A$", "$A$"),
        ("${A:-2}${B:-2}${B-3}${EMPTY:-4}${EMPTY-5}", "12345"[:1] + "234"),
        ("${A:+s}${B:+t}${EMPTY:+u}${EMPTY+v}", "sv"),
        ("${B:-${C:-${A}}}", "1"),
        ("${B:-a}b}", "ab}"),
        ("${A:?must}", "1"),
        ("'$A'", "'1'"),
    ],
)
def test_compose(text: str, made: str) -> None:
    assert expand(text, GIVEN.get, COMPOSE) == made


@pytest.mark.parametrize(
    ("text", "made"),
    [
        (r"\$A", "$A"),
        ("'$A'", "$A"),
        ('"$A"', "1"),
        ('"it\'s $A"', "it's 1"),
        ("$$A", "$1"),
        ("a\\", "a\\"),
    ],
)
def test_dockerfile(text: str, made: str) -> None:
    assert expand(text, GIVEN.get, Syntax("\\", quotes=True)) == made


@pytest.mark.parametrize(
    ("text", "syntax", "why"),
    [
        ("$B", COMPOSE, "B has no value here"),
        ("${B:?}", COMPOSE, "must be given one"),
        ("${EMPTY:?}", COMPOSE, "must be given one"),
        ("${A", COMPOSE, "'${A' is no variable"),
        ("${}", COMPOSE, "'${}' is no variable"),
        ("${1}", COMPOSE, "is no variable"),
        ("${A%b}", COMPOSE, "${A%b} is not worked out here"),
        ("${A:-b}", GITLAB, "GitLab does not know ${A:-b}, only ${A}"),
        ("${B:-" * 50 + "}" * 50, COMPOSE, "nested too deeply"),
        ("${WORD}" * 50_000, COMPOSE, "far too long"),
    ],
)
def test_what_is_not_filled_in(text: str, syntax: Syntax, why: str) -> None:
    with pytest.raises(NoValue) as caught:
        expand(text, GIVEN.get, syntax)
    assert why in str(caught.value)


def test_dotenv() -> None:
    text = r"""
# a comment
A=1
export B = two words   # a comment
C='$A' # a comment
D="$A\n\"x\" #"
E=a#b
F:yaml
G=$A-${NO:-d}
H=$NO
I="not closed
no assignment
J=
A=9
"""
    assert dotenv(text) == {
        "A": "9", "B": "two words", "C": "$A", "D": '1\n"x" #', "E": "a#b", "F": "yaml",
        "G": "1-d", "J": "",
    }  # fmt: skip
