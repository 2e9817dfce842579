"""Whatever is in the files, something is learned of them or told: never another exception."""

from __future__ import annotations

import contextlib
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from holystone.config.edit import CannotAdd, add
from holystone.planner.patterns import covers
from holystone.scan.dockerfile import parse
from holystone.scan.findings import Unreadable
from holystone.scan.proposal import learn
from holystone.scan.variables import COMPOSE, GITLAB, NoValue, Syntax, dotenv, expand

NAMES = (
    "Dockerfile", "compose.yaml", "docker-compose.override.yml", ".env", ".gitlab-ci.yml",
    "ci/a.yml", ".github/workflows/a.yml", "action.yml",
)  # fmt: skip
WORDS = (
    "FROM", "ARG", "AS", "COPY --from=", "RUN --mount=from=", "<<EOF", "EOF", "\\\n",
    "# escape=`\n",
    "a", "b", "python:3.12", "@sha256:", "$A", "${A:-b}", "${A:-${B}}", "$$", "A=1", "'", '"', "`",
    "image: ", "image:\n", "services:\n", "services: ", "  a: ", "  - ", "- ", "\n", "\n  ",
    "\n    ",
    "extends: ", "extends: [a, b]", "include: ", "local: ", "ci/a.yml", "**/*.yml", "compose.yaml",
    "a:\n", "b:\n", ".x:\n", "default:\n", "variables:\n", "parallel:\n", "matrix:\n", "build: ",
    "build:\n", "args:\n", "jobs:\n", "container: ", "strategy:\n", "steps:\n", "uses: docker://",
    "${{ matrix.a }}", "$[[ x ]]", "{{ x }}", "{% x %}", "&x ", "*x", "<<: *x", "<<: [*x, *x]",
    "!reference [a, image]", "!reference [.x, b, c]", "!reset ", "inherit: {default: false}",
    "rules:\n", "trigger:\n", "---\n", "spec:\n", "{a: b}", "[a, [b]]", "{", "}", "[", "]", "|\n",
    "\t",
    "runs: {using: docker, image: Dockerfile}", "dockerfile_inline: |\n", "3.10", "~", "\ufeff",
    "\0",
)  # fmt: skip
texts = st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=40).map("".join)
contents = texts.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=40)


@settings(max_examples=400)
@given(st.dictionaries(st.sampled_from(NAMES), contents, min_size=1, max_size=4))
def test_any_files(written: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name, content in written.items():
            path = Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        walked = learn(["."])
        named = learn(sorted(written))
    for proposal in (walked, named):
        assert [image.reference for image in proposal.images] == sorted(
            {use.reference for image in proposal.images for use in image.uses}
        )
        for image in proposal.images:
            assert covers([image.reference], image.reference)
        for trouble in (*proposal.troubles, *proposal.unread):
            assert trouble.why
            assert "\n" not in trouble.why
    assert walked.unread == ()


@given(texts)
def test_any_text(text: str) -> None:
    with contextlib.suppress(Unreadable):
        lines = text.count("\n") + 1
        assert all(1 <= each.line <= lines for each in parse(text).instructions)
    for syntax in (COMPOSE, GITLAB, Syntax("\\", quotes=True), Syntax("`", quotes=True)):
        with contextlib.suppress(NoValue):
            expand(text, {"A": "1"}.get, syntax)
    assert all(isinstance(value, str) for value in dotenv(text).values())


TOML = (
    "[protect]\n", "[ protect ] # x\n", "['protect']\n", "[disk]\n", "[[images.rules]]\n", "\n",
    "\r\n",
    "images = [", 'images = ["a"]\n', "images = ['a', # x\n 'b'\n]\n", "images = []\n", "]\n",
    '"a",', "'b', # c\n", "protect.images = ['a']\n", "protect = {images = ['a']}\n",
    "protect.local = true\n",
    'x = """a\n[protect]\nimages = [\n"""\n', "# images = []\n", 'high = "80%"\n', "\ufeff",
    "d = 2024-01-01 01:00:00\n",
    "[protect.x]\n", "'images' = ['''a''']\n", "i = [{a = [1, '#'], b = {}}]\n",
    "labels = ['images = [']\n",
)  # fmt: skip


@settings(max_examples=500)
@given(
    st.lists(st.sampled_from(TOML), max_size=8).map("".join),
    st.lists(st.sampled_from(["python:3.12", "ghcr.io/a/b:1"]), min_size=1, unique=True),
)
@example("[protect]\nimages = ['a'] # x\r\nlocal = true\n", ["python:3.12"])
def test_adding_to_any_toml(text: str, patterns: Sequence[str]) -> None:
    """Either nothing is changed, or the list has these at its end and all else is as it was."""
    try:
        before = tomllib.loads(text.removeprefix("\ufeff"))
    except ValueError:
        return
    try:
        after = add(text, patterns)
    except CannotAdd:
        return
    table = before.setdefault("protect", {})
    table["images"] = [*table.get("images", ()), *patterns]
    assert tomllib.loads(after.removeprefix("\ufeff")) == before
    left = iter(after.splitlines())
    for line in text.lstrip("\ufeff").splitlines():
        comment = line.partition("#")[2]
        assert any(comment in each for each in left), (line, after)
