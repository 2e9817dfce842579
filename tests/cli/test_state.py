"""Where holystone remembers, and that it works as well where it cannot."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from tests.cli.command import POWERLESS, UNPRIVILEGED, Command, Done
from tests.cli.faulty import EMPTY
from tests.engine_client.misbehaving import Behaviour as Answer
from tests.engine_client.misbehaving import Host, InTurn, answers, misbehaving
from tests.users import STRANGER, as_program, folder_for_all, needs_root

ID = "sha256:" + "a" * 64
IMAGE = {"Id": ID, "RepoTags": ["app:1"], "Created": 1, "Size": 5}
LAYERS = {"RootFS": {"Layers": ["sha256:" + "b" * 64]}}
SCRIPT: dict[str, Answer | InTurn] = {
    **EMPTY,
    "GET /images/json": answers([IMAGE]),
    f"GET /images/{ID}/json": answers(IMAGE | LAYERS),
    f"GET /images/{ID}/history": answers([{"Id": ID, "Created": 1, "Size": 5}]),
}
"""An engine with one image: something to remember."""
LEDGER = "holystone.db"


def clean(holystone: Command, host: Host, *options: object, **variables: str | None) -> Done:
    done = holystone("clean", "--json", *options, "-H", host, **variables)
    assert done.code == 0, done
    assert [item["names"] for item in done.json["items"]] == [["app:1"]]
    return done


def assert_ledger(folder: Path) -> None:
    with sqlite3.connect(folder / LEDGER) as database:
        rows = database.execute("SELECT image_id FROM image").fetchall()
    database.close()
    assert rows == [(ID,)]


def test_the_folder_is_the_option_then_the_variable(holystone: Command, tmp_path: Path) -> None:
    option, variable = tmp_path / "a" / "option", tmp_path / "b" / "variable"
    with misbehaving(SCRIPT) as host:
        done = clean(holystone, host, "--state", option, HOLYSTONE_STATE=str(variable))
        assert done.err == ""
        assert not variable.exists()
        clean(holystone, host, HOLYSTONE_STATE=str(variable))
    assert_ledger(option)
    assert_ledger(variable)
    assert option.stat().st_mode & 0o77 == 0, "nobody else reads it"


def test_the_folder_of_a_user(holystone: Command, tmp_path: Path) -> None:
    """Not that of root, who remembers in /var/lib/holystone."""
    elsewhere = str(tmp_path / "xdg")
    with misbehaving(SCRIPT) as host:
        for folder in (None, elsewhere):
            done = holystone.under(
                *(UNPRIVILEGED, "clean", "-H", host), HOLYSTONE_STATE=None, XDG_STATE_HOME=folder
            )
            assert (done.code, done.err) == (0, "")
    assert_ledger(tmp_path / ".local" / "state" / "holystone")
    assert_ledger(tmp_path / "xdg" / "holystone")


def test_the_demo_host_is_not_remembered(holystone: Command, tmp_path: Path) -> None:
    """Nor is anything left of the folder that served one command."""
    (tmp_path / "tmp").mkdir()
    for command in ("clean", "restore", "observe", "lease python --for 1h"):
        done = holystone(
            *command.split(), "-H", "demo:", HOLYSTONE_STATE=None, TMPDIR=str(tmp_path / "tmp")
        )
        assert done.code == 0
    assert {path.name for path in tmp_path.rglob("*")} == {"tmp"}


def one_warning(done: Done, *, locked: bool = True) -> str:
    """What a run says that has no ledger; and then that it has no lock either."""
    warning, *more = done.err.splitlines()
    assert warning.startswith("holystone: cannot use the ")
    assert warning.endswith(" Going on without memory of earlier runs.")
    assert [line[:23] for line in more] == ([] if locked else ["holystone: cannot lock "])
    return warning


def test_a_folder_that_cannot_be_made(holystone: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with misbehaving(SCRIPT) as host:
        for folder in (tmp_path / "file", tmp_path / "file" / "state"):
            assert str(folder) in one_warning(
                clean(holystone, host, "--state", folder), locked=False
            )


def test_a_folder_that_cannot_be_written(holystone: Command, tmp_path: Path) -> None:
    """Also where a ledger is there that can only be read."""
    folder = tmp_path / "state"
    with misbehaving(SCRIPT) as host:
        folder.mkdir(mode=0o500)
        done = holystone.under(POWERLESS, "clean", "--json", "--state", folder, "-H", host)
        assert done.code == 0
        one_warning(done, locked=False)
        folder.chmod(0o700)
        clean(holystone, host, "--state", folder)
        (folder / LEDGER).chmod(0o400)
        folder.chmod(0o500)
        read_only = holystone.under(POWERLESS, "status", "--state", folder, "-H", host)
        folder.chmod(0o700)
    assert read_only.code == 0
    assert read_only.err.count("\n") <= 1
    assert "Traceback" not in read_only.err


@pytest.mark.parametrize(
    "content",
    [
        b"this is no database at all, whatever its name says" * 40,
        b"SQLite format 3\0" + b"\1" * 4080,
    ],
    ids=["text", "broken"],
)
def test_a_ledger_that_is_damaged(holystone: Command, content: bytes) -> None:
    """It is set aside, told of once, and the next run has a new one."""
    holystone.state.mkdir()
    ledger = holystone.state / LEDGER
    ledger.write_bytes(content)
    with misbehaving(SCRIPT) as host:
        done = clean(holystone, host)
        (aside,) = holystone.state.glob(f"{LEDGER}.damaged-*")
        assert aside.read_bytes() == content
        assert done.err.count("\n") == 1
        assert done.err.startswith(f"holystone: the ledger {ledger} is damaged: ")
        assert done.err.endswith(f" It is now {aside.name}, and a new one is begun.\n")
        assert_ledger(holystone.state)
        for command in ("status", "images", "plan", "explain app"):
            done = holystone(*command.split(), "--json", "-H", host)
            assert (done.code, done.err) == (0, "")


def test_an_empty_ledger_is_a_new_one(holystone: Command) -> None:
    holystone.state.mkdir()
    (holystone.state / LEDGER).touch()
    with misbehaving(SCRIPT) as host:
        assert clean(holystone, host).err == ""
    assert_ledger(holystone.state)


def test_a_ledger_of_a_newer_holystone(holystone: Command) -> None:
    holystone.state.mkdir()
    with sqlite3.connect(holystone.state / LEDGER) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with misbehaving(SCRIPT) as host:
        done = clean(holystone, host)
    assert "is of a newer holystone (version 99" in done.err
    assert done.err.count("\n") == 1


UNTAGGED = {"Id": "sha256:" + "d" * 64, "RepoTags": None, "Created": 1, "Size": 5}


def newer(holystone: Command) -> None:
    """A ledger of the next version."""
    holystone.state.mkdir()
    with sqlite3.connect(holystone.state / LEDGER) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()


@pytest.mark.parametrize(
    "options",
    [
        ["deep", "--yes"],
        ["--until-free", "1kB"],
        ["weekly", "--until-used", "99%"],
        ["--watermarks"],
    ],
)
def test_with_leases_that_cannot_be_read_no_deep_clean(
    holystone: Command, options: list[str]
) -> None:
    """Nor one for space: nothing is so much as asked for."""
    newer(holystone)
    with misbehaving(SCRIPT) as host:
        said = holystone("clean", *options, "-H", host).failed(12)
    assert "is of a newer holystone (version 99" in said
    assert said.endswith("could take what they keep. Nothing was removed.\n")


def test_the_demo_host_keeps_its_images_as_well(holystone: Command) -> None:
    newer(holystone)
    done = holystone("clean", "--json", "-H", "demo:")
    assert done.code == 0
    images = [item["action"] for item in done.json["items"] if item["kind"] == "image"]
    assert set(images) == {"keep"}
    assert "so every image stays" in done.err
    assert "leases cannot be read" in holystone("clean", "deep", "--yes", "-H", "demo:").failed(12)


def test_a_folder_that_is_refused_may_have_leases(holystone: Command) -> None:
    """They cannot be trusted, and not be passed over either."""
    with misbehaving(SCRIPT) as host:
        clean(holystone, host)
        holystone.state.chmod(0o777)
        said = holystone("clean", "deep", "--yes", "-H", host).failed(12)
    assert f"cannot use the state folder {holystone.state}: everybody can write into it" in said


@pytest.mark.parametrize("level", ["routine", "weekly", "deep"])
def test_with_leases_that_cannot_be_read_every_image_stays(holystone: Command, level: str) -> None:
    """One note says so; the plan of any level can be looked at."""
    newer(holystone)
    script = SCRIPT | {
        "GET /images/json": answers([IMAGE, UNTAGGED]),
        f"GET /images/{UNTAGGED['Id']}/json": answers(UNTAGGED | LAYERS),
        f"GET /images/{UNTAGGED['Id']}/history": answers([{"Id": "x", "Created": 1, "Size": 5}]),
    }
    commands = ["plan", *(["clean"] if level != "deep" else [])]
    with misbehaving(script) as host:
        for command in commands:
            done = holystone(command, level, "--json", "--min-age", "0s", "-H", host)
            assert done.code == 0, done
            items = [item for item in done.json["items"] if item["kind"] == "image"]
            assert [item["action"] for item in items] == ["keep", "keep"]
            texts = [reason["text"] for item in items for reason in item["reasons"]]
            assert "perhaps leased: the leases cannot be read" in texts
            assert done.err.count("\n") == 1
            assert "Its leases cannot be read, so every image stays." in done.err
        for command in ("status", "images", "explain app"):
            done = holystone(*command.split(), "-H", host)
            assert done.code == 0
            assert done.err.count("\n") == 1
    for command in ("history", "lease list", "lease app --for 1h"):
        assert "is of a newer holystone" in holystone(*command.split()).failed(1)


def test_a_ledger_with_another_schema(holystone: Command) -> None:
    holystone.state.mkdir()
    with sqlite3.connect(holystone.state / LEDGER) as database:
        database.execute("CREATE TABLE image (engine, something)")
        database.execute("PRAGMA user_version = 1")
    database.close()
    with misbehaving(SCRIPT) as host:
        done = clean(holystone, host)
    assert done.err.count("\n") == 1
    assert done.err.endswith(" Going on without memory of earlier runs.\n")


@needs_root
@pytest.mark.parametrize("home", [None, "", ".", "~"])
def test_a_user_without_a_home(holystone: Command, home: str | None) -> None:
    """Nothing is read from, or written into, the folder that the command runs in."""
    variables = {"HOME": home, "HOLYSTONE_STATE": None, "XDG_STATE_HOME": "state"}
    variables |= {"PYTHONDONTWRITEBYTECODE": "1"}
    with folder_for_all() as place, misbehaving(SCRIPT) as host:
        place.chmod(0o1777)
        socket = Path(str(host).removeprefix("unix://"))
        socket.chmod(0o666)
        socket.parent.chmod(0o755)
        for trap in (".docker", ".config/holystone", ".local/state/holystone"):
            (place / trap).mkdir(parents=True)
        (place / ".docker" / "config.json").write_text('{"currentContext": "trap"}')
        (place / ".config" / "holystone" / "holystone.toml").write_text("trap")
        before = sorted(place.rglob("*"))
        there = (*as_program(STRANGER), "env", "-C", str(place))
        for command in ("plan", "clean", "status", "config show"):
            options = () if command.startswith("config") else ("-H", host)
            done = holystone.under(there, *command.split(), *options, **variables)
            assert done.code == 0, done
            assert "Traceback" not in done.err
            assert "trap" not in done.out + done.err
            if command == "clean":
                assert done.err.startswith("holystone: there is no state folder: HOME has no ")
        for command in ("lease app --for 1h", "history"):
            said = holystone.under(there, *command.split(), **variables).failed(1)
            assert f"the user {STRANGER} has no entry in the passwd database" in said
        said = holystone.under(there, "init", "docker-plugin", **variables).failed(64)
        assert "Name a folder with --into" in said
        assert sorted(place.rglob("*")) == before


@needs_root
def test_a_folder_of_somebody_else(holystone: Command, tmp_path: Path) -> None:
    """A clean goes on without it, and writes nothing there."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, STRANGER, STRANGER)
    with misbehaving(SCRIPT) as host:
        done = clean(holystone, host, "--state", folder)
    said, *_ = done.err.splitlines()
    assert said.startswith(f"holystone: cannot use the state folder {folder}: it belongs to uid ")
    assert said.endswith(" Going on without memory of earlier runs.")
    assert list(folder.iterdir()) == []
