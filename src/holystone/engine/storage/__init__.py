"""Images, build cache and logs in the engine's own files, where this process may read them."""

from __future__ import annotations


def text_of(path: str) -> str:
    """A short text in a file; empty where there is no such file. Raises OSError."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""
