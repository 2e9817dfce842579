"""Files made to take for ever: without the limits these tests would not end."""

from __future__ import annotations

from pathlib import Path

import pytest

from holystone.scan.proposal import learn

MANY = 1500
SERVICES = "\n".join(f"  - 'a:{i}'" for i in range(MANY))
HOSTILE = {
    "extends of everything": (
        ".gitlab-ci.yml",
        ".t0: {image: {name: a, x: 1}}\n"
        + "".join(f".t{i + 1}: {{extends: [.t{i}, .t{i}, .t{i}]}}\n" for i in range(40))
        + "job: {extends: .t40, script: x}\n",
    ),
    "variables of variables": (
        ".gitlab-ci.yml",
        "variables:\n  V0: ''\n"
        + "".join(f"  V{i + 1}: $V{i}$V{i}$V{i}\n" for i in range(18))
        + "job: {image: 'a$V18', script: x}\n",
    ),
    "a chain of variables": (
        ".gitlab-ci.yml",
        "variables:\n  V0: ''\n"
        + "".join(f"  V{i + 1}: $V{i}\n" for i in range(5000))
        + "job: {image: 'a$V5000', script: x}\n",
    ),
    "a matrix for every job": (
        ".gitlab-ci.yml",
        f".m: &m\n  matrix: [{{A: {[*range(100)]}, B: {[*range(100)]}}}]\n"
        + "".join(f"j{i}: {{image: 'a:$A', parallel: *m, script: x}}\n" for i in range(MANY)),
    ),
    "all services in every job": (
        ".gitlab-ci.yml",
        f".s: &s\n{SERVICES}\n"
        + "".join(f"j{i}: {{services: *s, script: x}}\n" for i in range(MANY)),
    ),
    "lists of lists": (
        ".gitlab-ci.yml",
        "a: &a [x]\n"
        + "".join(f"b{i}: &a [*a, *a, *a, *a]\n" for i in range(90))
        + "job: {services: *a, script: x}\n",
    ),
    "mappings of mappings": (
        ".gitlab-ci.yml",
        ".a: &a {x: y}\n"
        + "".join(f".b{i}: &a {{l: *a, r: *a}}\n" for i in range(60))
        + "one: {image: *a}\ntwo: {extends: [one, .b59]}\nthree: {extends: [two, .b59, one]}\n",
    ),
    "a chain of services": (
        "compose.yml",
        "services:\n"
        + "".join(f"  s{i}: {{extends: {{service: s{i + 1}}}}}\n" for i in range(MANY)),
    ),
    "one build for all": (
        "compose.yml",
        "x-b: &b {dockerfile_inline: 'FROM a', args: {"
        + ", ".join(f"A{i}: $B" for i in range(MANY))
        + "}}\nservices:\n"
        + "".join(f"  s{i}: {{build: *b}}\n" for i in range(MANY)),
    ),
    "excludes": (
        ".github/workflows/x.yml",
        "x: &m\n  a: [" + ",".join(map(str, range(300))) + "]\n  exclude:\n"
        + "".join(f"    - {{a: {i}x}}\n" for i in range(MANY))
        + "jobs:\n"
        + "".join(
            f"  j{i}: {{container: 'a:${{{{matrix.a}}}}', strategy: {{matrix: *m}}}}\n"
            for i in range(MANY)
        ),
    ),
    "arguments": (
        "Dockerfile",
        "ARG A=x\n" + "ARG A=$A$A\n" * 1000 + "FROM $A\n",
    ),
    "backslashes": ("Dockerfile", "RUN " + "\\ " * 100_000 + "x\nFROM a" + "\\\n" * 100_000),
    "quotes": ("Dockerfile", "RUN " + "<<'" * 100_000 + "\nFROM a"),
    "braces": ("Dockerfile", "FROM " + "${" * 100_000 + "\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_ends(name: str, tmp_path: Path) -> None:
    path, text = HOSTILE[name]
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(text)
    proposal = learn([str(tmp_path)])
    assert proposal.images or proposal.left_out or proposal.troubles
    assert all(len(left.written) < 300 and len(left.why) < 500 for left in proposal.left_out)
    assert all(len(trouble.why) < 500 for trouble in proposal.troubles)
