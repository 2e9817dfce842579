"""Texts kept in files that a person can read, in ``tests/present/golden``.

``HOLYSTONE_UPDATE_GOLDEN=1 pytest tests/present`` writes them anew; read the difference before
you commit it.
"""

from __future__ import annotations

import os

FOLDER = os.path.join(os.path.dirname(__file__), "golden")


def check(name: str, text: str) -> None:
    """Assert that the text is that of the file of this name."""
    path = os.path.join(FOLDER, f"{name}.txt")
    text = text.rstrip("\n") + "\n"
    if os.environ.get("HOLYSTONE_UPDATE_GOLDEN"):
        os.makedirs(FOLDER, exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    with open(path, encoding="utf-8") as file:
        assert text == file.read()
