"""Variables: what is filled in, and what is left."""

from __future__ import annotations

import pytest

from holystone.scan.variables import COMPOSE, GITLAB, NoValue, Syntax, dotenv, expand

GIVEN = {"A": "1", "EMPTY": "", "WORD": "x y"}


DOCKERFILE = Syntax("\\", quotes=True)


@pytest.mark.parametrize(
    ("text", "syntax", "made"),
    [
        ("a", COMPOSE, "a"), ("$A", COMPOSE, "1"), ("${A}b$A-c", COMPOSE, "1b1-c"),
        ("$$A$", COMPOSE, "$A$"),
        ("${A:-2}${B:-2}${B-3}${EMPTY:-4}${EMPTY-5}", COMPOSE, "1234"),
        ("${A:+s}${B:+t}${EMPTY:+u}${EMPTY+v}", COMPOSE, "sv"),
        ("${B:-${C:-${A}}}", COMPOSE, "1"), ("${B:-a}b}", COMPOSE, "ab}"),
        ("${A:?must}", COMPOSE, "1"), ("'$A'", COMPOSE, "'1'"),
        (r"\$A", DOCKERFILE, "$A"), ("'$A'", DOCKERFILE, "$A"), ('"$A"', DOCKERFILE, "1"),
        ('"it\'s $A"', DOCKERFILE, "it's 1"), ("$$A", DOCKERFILE, "$1"), ("a\\", DOCKERFILE, "a\\"),
    ],
)  # fmt: skip
def test_what_is_filled_in(text: str, syntax: Syntax, made: str) -> None:
    assert expand(text, GIVEN.get, syntax) == made


@pytest.mark.parametrize(
    ("text", "syntax", "why"),
    [
        ("$B", COMPOSE, "B has no value here"),
        ("${B:?}", COMPOSE, "must be given one"), ("${EMPTY:?}", COMPOSE, "must be given one"),
        ("${A", COMPOSE, "'${A' is no variable"), ("${}", COMPOSE, "'${}' is no variable"),
        ("${1}", COMPOSE, "is no variable"),
        ("${A%b}", COMPOSE, "${A%b} is not worked out here"),
        ("${A:-b}", GITLAB, "GitLab does not know ${A:-b}, only ${A}"),
        ("${B:-" * 50 + "}" * 50, COMPOSE, "nested too deeply"),
        ("${WORD}" * 50_000, COMPOSE, "far too long"),
    ],
)  # fmt: skip
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
