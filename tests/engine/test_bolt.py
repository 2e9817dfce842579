"""Bolt databases: what is in them is read, and damage is an error of one kind."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from holystone.engine.storage.bolt import Bucket, NotBolt, read_bolt
from tests.engine.bolt_files import PAGE, Tree, meta, write_bolt

TREE: Tree = {
    "v1": {
        "small": {"a": b"1", "b": b"2"},
        "large": {f"name-{n}": f"value-{n}".encode() * 50 for n in range(400)},
        "deep": {"er": {"still": {"x": b"y"}}, "empty": b""},
    },
    "plain": b"value",
}


def plain(bucket: Bucket) -> dict[str, object]:
    return {
        name.decode(errors="replace"): plain(value) if isinstance(value, Bucket) else value
        for name, value in bucket.items()
    }


@pytest.mark.parametrize("branches", [False, True])
def test_everything_is_read_as_the_newest_transaction_has_it(
    tmp_path: Path, *, branches: bool
) -> None:
    write_bolt(tmp_path / "db", TREE, branches=branches)
    database = read_bolt(str(tmp_path / "db"))
    assert plain(database) == TREE
    deep = database.bucket("v1", "deep", "er", "still")
    assert deep is not None
    assert deep.values() == {"x": b"y"}
    assert database.bucket("v1", "no") is None
    assert database.bucket("plain") is None


def test_a_torn_meta_page_does_not_count(tmp_path: Path) -> None:
    write_bolt(tmp_path / "db", TREE)
    data = bytearray((tmp_path / "db").read_bytes())
    data[PAGE + 40] ^= 1
    (tmp_path / "db").write_bytes(data)
    assert plain(read_bolt(str(tmp_path / "db"))) == {"old": b"state"}


@pytest.mark.parametrize("data", [b"", b"x" * 10, b"\0" * 3 * PAGE, b"SQLite format 3" * 900])
def test_what_is_no_database(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "db").write_bytes(data)
    with pytest.raises(NotBolt):
        read_bolt(str(tmp_path / "db"))


def test_pages_in_a_circle(tmp_path: Path) -> None:
    body = (16).to_bytes(4, "little") + (0).to_bytes(4, "little") + (2).to_bytes(8, "little")
    page = (2).to_bytes(8, "little") + (1).to_bytes(2, "little") + (1).to_bytes(2, "little")
    circle = (page + b"\0" * 4 + body).ljust(PAGE, b"\0")
    (tmp_path / "db").write_bytes(meta(0, 2, 1) + meta(1, 2, 2) + circle)
    with pytest.raises(NotBolt, match="circle"):
        plain(read_bolt(str(tmp_path / "db")))


def test_damage_is_an_error_or_goes_unnoticed(tmp_path: Path) -> None:
    write_bolt(tmp_path / "db", TREE, branches=True)
    whole = (tmp_path / "db").read_bytes()
    chance = random.Random(7)
    failed = 0
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 30)):
            data[chance.randrange(2 * PAGE, len(data))] = chance.randrange(256)
        (tmp_path / "db").write_bytes(
            data[: chance.choice([len(data), chance.randrange(len(data))])]
        )
        try:
            plain(read_bolt(str(tmp_path / "db")))
        except NotBolt:
            failed += 1
    assert failed
