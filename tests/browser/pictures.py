"""The pictures in docs/report.md, which ``make pictures`` takes of the demo host's report."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.browser.chromium import Browser, address_of, browser
from tests.docs.tracked import ROOT

FOLDER = ROOT / "docs" / "pictures"
NAMES = ("report-light.png", "report-dark.png", "report-narrow.png")
_WIDE, _NARROW = (1200, 1445), (390, 1060)


def taken(running: Browser) -> dict[str, bytes]:
    """Each picture by its name: the upper part of the page, light, dark and on a narrow screen."""
    made = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "report.html")
        subprocess.run(
            [sys.executable, "-m", "holystone", "report", file, "--host", "demo:"],
            check=True,
            capture_output=True,
            env={name: value for name, value in os.environ.items() if name != "HOLYSTONE_STATE"},
        )
        for name in NAMES:
            page = running.page()
            page.look(scheme="dark" if "dark" in name else "light")
            page.resize(*(_NARROW if "narrow" in name else _WIDE))
            page.open(address_of(file))
            made[name] = page.picture()
    return made


def main() -> None:
    """Bring the pictures up to date."""
    with browser() as running:
        for name, picture in taken(running).items():
            FOLDER.joinpath(name).write_bytes(picture)
            sys.stdout.write(f"rewritten: docs/pictures/{name}\n")


if __name__ == "__main__":
    main()
