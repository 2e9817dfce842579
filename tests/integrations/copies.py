"""``integrations/``: what ``holystone init`` writes, to be read beside the README of each target.

The source is ``src/holystone/integrations``; ``python -m tests.integrations.copies`` writes them
anew.
"""

from __future__ import annotations

from pathlib import Path

from holystone.operations.ci_targets import TARGETS, text
from tests.docs.tracked import ROOT

FOLDER = ROOT / "integrations"


def copies() -> dict[Path, tuple[str, bool]]:
    """What is to be in each file, and whether it is a program."""
    return {
        FOLDER / target.name / file.path: (text(target, file, "holystone"), file.executable)
        for target in TARGETS.values()
        for file in target.files
    }


if __name__ == "__main__":
    for path, (content, executable) in copies().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o755 if executable else 0o644)
