"""What demo data is made with: IDs and odd sizes that are the same every time."""

from __future__ import annotations

from hashlib import sha256

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0


def hexadecimal(name: str) -> str:
    """An ID of 64 hexadecimal digits for this name."""
    return sha256(name.encode()).hexdigest()


def megabytes(count: float, name: str) -> int:
    """About this many megabytes: bytes with an odd rest that depends on the name."""
    return int(count * 1_000_000) + (int(hexadecimal(name)[:5], 16) if count >= 1 else 0)


def base36(name: str) -> str:
    """An ID as BuildKit makes them, 25 letters and digits, for this name."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    number = int(hexadecimal(name), 16)
    letters = []
    for _ in range(25):
        number, digit = divmod(number, 36)
        letters.append(digits[digit])
    return "".join(letters)
