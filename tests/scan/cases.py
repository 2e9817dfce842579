"""Cases: a repository each, beside it what is to be learned of it.

``python -m tests.scan.cases`` writes what is learned now into ``expected.txt``; read the change.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

from holystone.scan.proposal import Proposal, learn

FOLDER = Path(__file__).with_name("cases")
EXPECTED = "expected.txt"


def names() -> list[str]:
    """The cases, by the names of their folders."""
    return sorted(path.name for path in FOLDER.iterdir() if path.is_dir())


def learned(name: str, folder: Path) -> str:
    """What is learned of a case, copied into this folder to be a repository by itself."""
    shutil.copytree(FOLDER / name, folder, dirs_exist_ok=True)
    folder.joinpath(EXPECTED).unlink(missing_ok=True)
    folder.joinpath(".git").mkdir(exist_ok=True)
    with contextlib.chdir(folder):
        return told(learn(["."]))


def told(proposal: Proposal) -> str:
    """A proposal as text."""
    lines = [f"{proposal.files} files", "", "images"]
    for image in proposal.images:
        lines.append(f"  {image.reference}")
        lines += [f"      {use.place}  {use.written}" for use in image.uses]
    lines += ["", "left out"]
    lines += [
        f"  {left.place}  {left.written}\n      {left.rule}: {left.why}"
        for left in proposal.left_out
    ]
    lines += ["", "cannot be read"]
    lines += [f"  {trouble.place}\n      {trouble.why}" for trouble in proposal.troubles]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write what is learned now."""
    for name in names():
        with tempfile.TemporaryDirectory() as folder:
            FOLDER.joinpath(name, EXPECTED).write_text(
                learned(name, Path(folder)), encoding="utf-8"
            )
        sys.stdout.write(f"written: {name}\n")


if __name__ == "__main__":
    main()
