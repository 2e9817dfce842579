"""Every example in the documentation prints what the documentation shows."""

from __future__ import annotations

import pytest

from tests.docs.examples import Example, agrees, examples, rewritten, run
from tests.docs.tracked import documents

DOCUMENTED = {
    f"{path}:{example.line}": example
    for path, text in documents().items()
    for example in examples(text)
}


@pytest.mark.parametrize("where", DOCUMENTED)
def test_prints_what_is_shown(where: str) -> None:
    example = DOCUMENTED[where]
    assert example.command.split()[0] == "holystone", (
        f"{where}: only holystone is run; mark the block sh (to type) or text (to read)"
    )
    printed = run(example)
    if not agrees(example.output, printed):
        shown = "\n".join(example.output)
        pytest.fail(
            f"{where}: $ {example.command}\n--- shown\n{shown}\n--- printed\n"
            + "\n".join(printed)
            + "\n--- `make examples` writes what is printed into the document",
            pytrace=False,
        )


DOCUMENT = """\
# A document

```console
$ holystone --version
holystone 0.0.0
$ holystone plan \\
>   --json
{}
…
```

```text
$ holystone clean
```

```dockerfile
# app/Dockerfile
FROM a
```

```toml
[protect]
```

```console
$ holystone --version
holystone 0.0.0
```

```yaml
# A comment.
```

````markdown
```console
$ holystone shown, not run
```
````
"""


def test_finds_commands_and_their_output() -> None:
    assert list(examples(DOCUMENT)) == [
        Example("holystone --version", ["holystone 0.0.0"], 4, 4),
        Example("holystone plan --json", ["{}", "…"], 6, 7),
        Example(
            "holystone --version",
            ["holystone 0.0.0"],
            26,
            26,
            {"app/Dockerfile": "# app/Dockerfile\nFROM a\n", "holystone.toml": "[protect]\n"},
        ),
    ]


def test_rewrites_what_no_longer_holds() -> None:
    once = rewritten(DOCUMENT.replace("plan", "--version"))
    assert "holystone 0.0.0" not in once
    assert once.count("\n") == DOCUMENT.count("\n")
    assert "…\n```\n" in once
    assert rewritten(once) == once


@pytest.mark.parametrize(
    ("shown", "printed", "agree"),
    [
        (["a", "b"], ["a", "b"], True),
        (["a", "b", ""], ["a", "b"], True),
        (["a", "b"], ["a", "c"], False),
        (["a", "b"], ["a", " b"], False),
        (["a", "…"], ["a", "b", "c"], True),
        (["a", "…", "c"], ["a", "c"], True),
        (["a", "…", "c"], ["a", "b"], False),
        (["a … b"], ["a x b"], False),
        (["at 14:03 UTC"], ["at 09:59 UTC"], True),
        (["until 14:03 UTC, not", "now"], ["until 2025-03-04 00:03 UTC,", "not now"], True),
        (["until 14:03 UTC, not", "now"], ["until 2025-03-04 00:03 UTC,", "not then"], False),
        (['"2025-03-04T14:03:00Z",'], ['"2026-01-01T00:00:00Z",'], True),
        (["Freed 3 GB in 0.0 s."], ["Freed 3 GB in 12 ms."], True),
        (["Freed 3 GB in 0.0 s."], ["Freed 4 GB in 0.0 s."], False),
    ],
    ids=str,
)
def test_compares(shown: list[str], printed: list[str], *, agree: bool) -> None:
    assert agrees(shown, printed) == agree


def test_reaches_no_engine_but_the_demo_host() -> None:
    line = "holystone plan; echo exit code $?"
    assert run(Example(line, [], 1, 1))[-1] == "exit code 10"
    assert run(Example("holystone plan --host demo: >plan; echo exit code $?", [], 1, 1)) == [
        "exit code 0"
    ]
