"""The token file: what its lines mean, what is refused, and what a new token leaves behind."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from pathlib import Path

import pytest

from holystone.agent.web.tokens import Token, TokenError, Tokens, make_token

SECRET = "correct-horse-battery-staple"
HASH = hashlib.sha256(SECRET.encode()).hexdigest()


def write(path: Path, text: str | bytes, mode: int = 0o600) -> str:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return str(path)


def test_a_token_that_was_made_is_known(tmp_path: Path) -> None:
    path = str(tmp_path / "tokens")
    read, written = make_token(path, "prometheus", "read"), make_token(path, "ci", "write")
    tokens = Tokens(path)
    found, other = tokens.who(read), tokens.who(written)
    assert found is not None
    assert other is not None
    assert (found.name, found.scope, other.name, other.scope) == (
        "prometheus", "read", "ci", "write",
    )  # fmt: skip
    assert tokens.who(read[:-1]) is None
    assert tokens.who("") is None
    assert len(read) >= 43
    text = Path(path).read_text()
    assert read not in text
    assert written not in text
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert os.listdir(tmp_path) == ["tokens"]


def test_a_new_token_leaves_the_rest_of_the_file_as_it_was(tmp_path: Path) -> None:
    path = write(tmp_path / "tokens", f"# ours\n\nold read sha256:{HASH}", 0o640)
    token = make_token(path, "new", "write")
    digest = hashlib.sha256(token.encode()).hexdigest()
    kept = f"# ours\n\nold read sha256:{HASH}\nnew write sha256:{digest}\n"
    assert Path(path).read_text() == kept
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640


def test_of_tokens_made_at_once_none_is_lost(tmp_path: Path) -> None:
    path, made = str(tmp_path / "tokens"), {}

    def make(name: str) -> None:
        made[name] = make_token(path, name, "read")

    threads = [threading.Thread(target=make, args=(f"n{number}",)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    tokens = Tokens(path)
    assert len(tokens) == len(made) == 8
    assert {found.name for each in made.values() if (found := tokens.who(each))} == set(made)


@pytest.mark.parametrize(
    ("line", "name", "scope"),
    [
        (SECRET, "line-2", "write"),
        (f"read {SECRET}", "line-2", "read"),
        (f"write {SECRET}", "line-2", "write"),
        (f"grafana read {SECRET}", "grafana", "read"),
        (f"grafana read sha256:{HASH}", "grafana", "read"),
        (f"read sha256:{HASH}", "line-2", "read"),
        (f"  grafana \t read   {SECRET}  \r", "grafana", "read"),
    ],
)
def test_a_line(line: str, name: str, scope: str, tmp_path: Path) -> None:
    tokens = Tokens(write(tmp_path / "tokens", f"# a comment\n{line}\n"))
    assert tokens.who(SECRET) == Token(name, scope, bytes.fromhex(HASH))


def test_memory_has_no_token(tmp_path: Path) -> None:
    tokens = Tokens(write(tmp_path / "tokens", SECRET))
    assert SECRET not in repr(vars(tokens))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("read", "16 to 512"),
        ("hunter2", "16 to 512"),
        ("x" * 513, "16 to 512"),
        (f"all {SECRET}", "neither read nor write"),
        (f"grafana all {SECRET}", "neither read nor write"),
        (f"gra/fana read {SECRET}", "letters, digits"),
        (f"read write {SECRET}", "letters, digits"),
        (f"a read {SECRET} more", "4 words"),
        (f"sha256:{HASH}", "a scope"),
        (f"read sha256:{HASH[:-1]}", "64 digits"),
        (f"read sha256:{HASH.upper()}", "64 digits"),
        ("read p\u00e4sswort-p\u00e4sswort-p\u00e4sswort", "ASCII"),
    ],
)
def test_a_bad_line_is_named_and_not_shown(line: str, words: str, tmp_path: Path) -> None:
    path = write(tmp_path / "tokens", f"ok read {SECRET}1\n{line}\n")
    with pytest.raises(TokenError) as caught:
        Tokens(path)
    said = str(caught.value)
    assert said.startswith(f"{path}, line 2: ")
    assert words in said
    for secret in (SECRET, HASH, "hunter2", "p\u00e4sswort", "xxxx"):
        assert secret not in said
        assert secret.lower() not in said


def test_two_lines_with_one_name(tmp_path: Path) -> None:
    path = write(tmp_path / "tokens", f"a read {SECRET}\na write {SECRET}2\n")
    with pytest.raises(TokenError, match="line 2: another line has the same name"):
        Tokens(path)


def test_what_is_not_text(tmp_path: Path) -> None:
    path = write(tmp_path / "tokens", b"# ok\nread \xff\xfe\n")
    with pytest.raises(TokenError, match="line 2: it is not text in UTF-8"):
        Tokens(path)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o660, 0o666, 0o620])
def test_a_file_that_others_can_read_or_change_is_refused(mode: int, tmp_path: Path) -> None:
    path = write(tmp_path / "tokens", SECRET, mode)
    with pytest.raises(TokenError, match=f"mode {mode:04o}.*chmod 600 {path}"):
        Tokens(path)
    with pytest.raises(TokenError, match="chmod 600"):
        make_token(path, "new", "read")
    assert Path(path).read_text() == SECRET


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600, 0o640])
def test_a_file_of_the_owner_and_a_group_is_read(mode: int, tmp_path: Path) -> None:
    assert len(Tokens(write(tmp_path / "tokens", SECRET, mode))) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "tokens", SECRET)
    os.chown(path, 4711, -1)
    with pytest.raises(TokenError, match=r"belongs to the user .*chown root"):
        Tokens(path)


def test_no_file_and_no_regular_one(tmp_path: Path) -> None:
    with pytest.raises(TokenError, match="there is no token file"):
        Tokens(str(tmp_path / "none"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TokenError, match="fifo"):
        Tokens(str(tmp_path / "pipe"))
    with pytest.raises(TokenError, match="device, pipe"):
        make_token(str(tmp_path / "pipe"), "a", "read")
    with pytest.raises(TokenError, match="cannot write the token file"):
        make_token(str(tmp_path / "no" / "folder"), "a", "read")


def test_a_new_token_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("")
    (tmp_path / "tokens").symlink_to(tmp_path / "real")
    with pytest.raises(TokenError, match="symbolic link"):
        make_token(str(tmp_path / "tokens"), "a", "read")
    assert (tmp_path / "real").read_text() == ""


def test_a_secret_behind_a_link_is_read(tmp_path: Path) -> None:
    """Kubernetes mounts secrets as links."""
    write(tmp_path / "real", SECRET)
    (tmp_path / "tokens").symlink_to("real")
    assert len(Tokens(str(tmp_path / "tokens"))) == 1


@pytest.mark.parametrize("name", ["", "read", "write", "a b", "a\nb", "\x1b[31m", "x" * 65])
def test_a_bad_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(TokenError, match="a token cannot be called"):
        make_token(str(tmp_path / "tokens"), name, "read")
    assert os.listdir(tmp_path) == []


def test_a_name_that_is_taken_and_a_scope_that_is_none(tmp_path: Path) -> None:
    path = str(tmp_path / "tokens")
    make_token(path, "a", "read")
    before = Path(path).read_text()
    with pytest.raises(TokenError, match="called a already"):
        make_token(path, "a", "write")
    with pytest.raises(TokenError, match="read or write"):
        make_token(path, "b", "all")
    assert Path(path).read_text() == before


def test_a_file_that_is_wrong_after_a_change_leaves_the_tokens_from_before(tmp_path: Path) -> None:
    path = write(tmp_path / "tokens", SECRET)
    tokens = Tokens(path)
    write(tmp_path / "tokens", "too short")
    with pytest.raises(TokenError):
        tokens.read_again()
    assert tokens.who(SECRET) is not None
    write(tmp_path / "tokens", f"{SECRET}-2")
    tokens.read_again()
    assert tokens.who(SECRET) is None
    assert tokens.who(f"{SECRET}-2") is not None


def test_without_a_file_there_is_no_token() -> None:
    assert Tokens().who("") is None
    assert len(Tokens()) == 0
