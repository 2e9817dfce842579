"""The state folder: for its owner, or for a group; never in the hands of a stranger."""

from __future__ import annotations

import fcntl
import os
import pwd  # noqa: F401 - needed by the users whom a test plays
import stat
import urllib.parse  # noqa: F401 - the same
from collections.abc import Iterator
from pathlib import Path

import pytest

from holystone.planner import reference  # noqa: F401 - the same
from holystone.store import StoreError, engine_facts, lease_file, leases, runs  # noqa: F401 - the same
from holystone.store.folder import FILE, GROUP, UnsafeError, default_folder, open_folder
from holystone.store.lock import HostLock
from holystone.store.store import Store
from tests.store.examples import KEY, NOW, no_warning, opened
from tests.users import COLLEAGUE, STRANGER, as_user, folder_for_all, needs_root

MEMBERS = 54399
"""The group that shares a folder."""
SECRET = "root:secret\n"


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may enter."""
    with folder_for_all() as folder:
        yield folder


def shared(place: Path, owner: int = 0) -> Path:
    """A folder as the documentation says: of a group, each member of which is trusted."""
    folder = place / "shared"
    folder.mkdir()
    os.chown(folder, owner, MEMBERS)
    folder.chmod(0o2770)
    return folder


def use(folder: Path) -> None:
    """What a clean and a job do with it."""
    with opened(folder) as ledger:
        ledger.leases.add(["python"], until=NOW + 60, job="7", now=NOW)
        assert [each.reference for each in ledger.leases.list(NOW)] == ["python"]
    with HostLock(str(folder), KEY, no_warning).acquire("clean") as held:
        assert held.locked


def rights(folder: Path) -> dict[str, int]:
    return {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}


def files_of(folder: Path) -> list[str]:
    """The names of what each run opens in it, with those that SQLite makes for a while."""
    found = {*rights(folder), *(FILE + end for end in ("-wal", "-shm", "-journal"))}
    return sorted(found - {lease_file.NAME})


def refused(folder: Path) -> list[str]:
    """The warnings where it is used all the same."""
    warnings: list[str] = []
    ledger = Store(str(folder), warnings.append)
    ledger.recall(KEY)
    ledger.remember(KEY, {}, ())
    ledger.close()
    HostLock(str(folder), KEY, warnings.append).acquire("clean").release()
    return warnings


def test_a_new_one_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        use(tmp_path / "a" / "state")
        with opened(tmp_path / "a" / "state") as ledger:
            ledger.leases.list(NOW)
            assert set(rights(tmp_path / "a" / "state").values()) == {0o600}
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "a" / "state").stat().st_mode) == 0o700


def test_files_that_others_could_open_are_closed_to_them(tmp_path: Path) -> None:
    """Who can open the lock for reading can hold it."""
    use(tmp_path)
    for file in tmp_path.iterdir():
        file.chmod(0o666)
    use(tmp_path)
    assert set(rights(tmp_path).values()) == {0o600}


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
def test_one_that_everybody_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    """With its path, its owner and the mend."""
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(UnsafeError) as refused:
        open_folder(str(folder))
    assert str(refused.value).startswith(
        f"cannot use the state folder {folder}: everybody can write into it (mode {mode:o}, owner "
    )
    assert f"chmod 2770 {folder}" in str(refused.value)


def test_below_one_that_everybody_can_write_it_is_refused(tmp_path: Path) -> None:
    """But for a sticky one, such as /tmp."""
    above = tmp_path / "above"
    above.mkdir()
    above.chmod(0o777)
    with pytest.raises(UnsafeError, match=f"everybody can write into {above} above it"):
        open_folder(str(above / "state"))
    assert not (above / "state").exists()
    above.chmod(0o1777)
    use(above / "state")


def test_a_link_of_ones_own_is_followed_to_the_folder(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "a").symlink_to("disk/../b")
    (tmp_path / "b").symlink_to(tmp_path / "disk")
    use(tmp_path / "a" / "state")
    assert (tmp_path / "disk" / "state" / FILE).exists()
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(OSError, match="symbolic links"):
        open_folder(str(tmp_path / "round"))


def test_a_link_in_place_of_any_file_is_not_followed(tmp_path: Path) -> None:
    """Neither is it written through, nor made what it points at."""
    folder = tmp_path / "state"
    use(folder)
    for number, name in enumerate(files_of(folder)):
        target = tmp_path / f"target-{number}"
        target.write_text(SECRET)
        target.chmod(0o640)
        for target_of_link in (target, tmp_path / "missing"):
            folder.joinpath(name).unlink(missing_ok=True)
            folder.joinpath(name).symlink_to(target_of_link)
            warnings = refused(folder)
            assert any(f"{folder / name}: it is a symbolic link" in w for w in warnings)
        folder.joinpath(name).unlink()
        assert target.read_text() == SECRET
        assert stat.S_IMODE(target.stat().st_mode) == 0o640
        assert not (tmp_path / "missing").exists()
    use(folder)


def test_a_link_in_place_of_the_leases_is_not_followed(tmp_path: Path) -> None:
    """It is replaced; one in the way of the new file is an error."""
    folder = tmp_path / "state"
    use(folder)
    target = tmp_path / "target"
    target.write_text(SECRET)
    file = folder / lease_file.NAME
    file.unlink()
    file.symlink_to(target)
    with pytest.raises(StoreError, match="it is a symbolic link"):
        lease_file.read(str(folder))
    use(folder)
    assert not file.is_symlink()
    assert len(lease_file.read(str(folder)).leases) == 1
    Path(f"{file}.new").symlink_to(target)
    with opened(folder) as ledger, pytest.raises(StoreError, match="it is a symbolic link"):
        ledger.leases.add(["node"], until=NOW + 60, job="7", now=NOW)
    assert target.read_text() == SECRET


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    """A FIFO would be waited for; a second name may be that of any file."""
    folder = tmp_path / "state"
    use(folder)
    (tmp_path / "target").write_text(SECRET)
    for name in files_of(folder):
        for make in (os.mkfifo, lambda path: os.link(tmp_path / "target", path)):
            folder.joinpath(name).unlink(missing_ok=True)
            make(folder / name)
            assert f"{folder / name}: it " in refused(folder)[0]
        folder.joinpath(name).unlink()
    assert (tmp_path / "target").read_text() == SECRET


@needs_root
def test_that_of_somebody_else_is_refused(place: Path) -> None:
    """With its path, its owner and the mend."""
    folder = place / "state"
    folder.mkdir()
    os.chown(folder, STRANGER, STRANGER)
    with pytest.raises(UnsafeError) as refused:
        open_folder(str(folder))
    said = str(refused.value)
    assert f"cannot use the state folder {folder}: it belongs to uid {STRANGER}, not to " in said
    assert f"chown 0 {folder}" in said
    with pytest.raises(UnsafeError, match=f"{folder} above it belongs to uid {STRANGER}, who"):
        open_folder(str(folder / "below"))
    assert list(folder.iterdir()) == []


@needs_root
def test_a_strangers_link_on_the_way_is_refused(place: Path) -> None:
    (place / "open").mkdir()
    (place / "open").chmod(0o1777)
    as_user(STRANGER, lambda: (place / "open" / "state").symlink_to("/etc"))
    with pytest.raises(UnsafeError, match=f"the link 'state', which belongs to uid {STRANGER}"):
        open_folder(str(place / "open" / "state"))


@needs_root
def test_a_file_of_a_stranger_is_not_used(place: Path) -> None:
    """Where the folder was once open to everybody."""
    use(place / "state")
    for name in files_of(place / "state"):
        (place / "state" / name).unlink(missing_ok=True)
        (place / "state" / name).touch()
        os.chown(place / "state" / name, STRANGER, STRANGER)
        assert f"it belongs to uid {STRANGER}" in refused(place / "state")[0]
        (place / "state" / name).unlink()


@needs_root
def test_a_folder_that_a_group_shares_works_for_each_member(place: Path) -> None:
    """And for root; whoever begins, with any umask."""
    for begins in (0, STRANGER, COLLEAGUE):
        folder = shared(place)
        for user in (begins, 0, STRANGER, COLLEAGUE):

            def one(folder: Path = folder) -> None:
                os.umask(0o077)
                use(folder)

            as_user(user, one, groups=(MEMBERS,)) if user else use(folder)
        assert set(rights(folder).values()) == {0o660}
        assert {each.stat().st_gid for each in folder.iterdir()} == {MEMBERS}
        for each in folder.iterdir():
            each.unlink()
        folder.rmdir()


@needs_root
def test_members_use_a_shared_folder_at_the_same_time(place: Path) -> None:
    """The files that SQLite makes for a while are the group's as well."""
    folder = shared(place)

    def together() -> None:
        with opened(folder) as ledger:
            ledger.leases.add(["node"], until=NOW + 60, job="8", now=NOW)

    as_user(STRANGER, lambda: use(folder), groups=(MEMBERS,))
    with opened(folder) as ledger:
        ledger.leases.add(["python"], until=NOW + 60, job="7", now=NOW)
        as_user(COLLEAGUE, together, groups=(MEMBERS,))
        assert len(ledger.leases.list(NOW)) == 2
        assert set(rights(folder).values()) == {0o660}


@needs_root
def test_who_is_no_member_can_do_nothing(place: Path) -> None:
    """Not even hold the lock, also where the folder itself can be listed."""
    folder = shared(place)
    folder.chmod(0o2775)
    use(folder)

    def stranger() -> None:
        for file in folder.iterdir():
            for flags in (os.O_RDONLY, os.O_WRONLY):
                with pytest.raises(PermissionError):
                    os.open(file, flags)
        with pytest.raises(PermissionError):
            (folder / "new").touch()
        with pytest.raises(StoreError):
            Store(str(folder), no_warning).leases.add(["x"], until=NOW + 1, job="", now=NOW)

    as_user(STRANGER, stranger)


@needs_root
def test_a_member_cannot_make_root_write_elsewhere(place: Path) -> None:
    folder = shared(place)
    use(folder)
    target = place / "only-root"
    target.write_text(SECRET)
    target.chmod(0o600)
    for name in files_of(folder):

        def plant(name: str = name) -> None:
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(target)

        as_user(STRANGER, plant, groups=(MEMBERS,))
        assert f"{folder / name}: it is a symbolic link" in refused(folder)[0]
        assert target.read_text() == SECRET
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        (folder / name).unlink()


@needs_root
def test_one_of_a_group_without_the_setgid_bit_is_told_how_to_mend(place: Path) -> None:
    """The files that a member makes there would not be the group's."""
    folder = shared(place)
    folder.chmod(0o770)

    def member() -> None:
        with pytest.raises(UnsafeError, match=f"chmod 2770 {folder}"):
            open_folder(str(folder))

    as_user(STRANGER, member, groups=(MEMBERS,))


@needs_root
def test_the_variable_makes_one_for_a_group(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GROUP, str(MEMBERS))
    use(place / "state")
    found = (place / "state").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o2770, MEMBERS)
    assert set(rights(place / "state").values()) == {0o660}
    as_user(STRANGER, lambda: use(place / "state"), groups=(MEMBERS,))
    (place / "other").mkdir(mode=0o700)
    with pytest.raises(UnsafeError, match=f"chmod 2770 {place}/other"):
        open_folder(str(place / "other"))

    def no_member() -> None:
        with pytest.raises(UnsafeError, match="cannot give the new state folder to the group"):
            open_folder(str(place / "mine" / "state"))

    (place / "mine").mkdir()
    os.chown(place / "mine", STRANGER, STRANGER)
    as_user(STRANGER, no_member)
    assert list((place / "mine").iterdir()) == []
    monkeypatch.setenv(GROUP, "no-such-group")
    with pytest.raises(UnsafeError, match="there is no such group"):
        open_folder(str(place / "more"))


@pytest.mark.parametrize("told", ["x" * 5000, "[" * 4000, '[1, "\\u001b[31m", "c", "j", 5.0]',
    '[1e999, "u", "c", "j", 5.0]', '[1, "u", "c", "j", NaN]', "{}", "[1, 2, 3, 4, 5]"])  # fmt: skip
def test_what_a_lock_says_is_bounded_and_printable(tmp_path: Path, told: str) -> None:
    lock = HostLock(str(tmp_path), KEY, no_warning)
    with lock.acquire("clean", job="7" * 9999 + "\x1b"):
        assert len(str(lock.holder())) < 500
        Path(lock.path).write_text(told)
        file = os.open(lock.path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(file)
        assert str(lock.holder()).isprintable()


@needs_root
def test_where_it_is_without_a_home() -> None:
    """No path that depends on the folder the command runs in."""

    def nobody() -> None:
        for environment in ({}, {"HOME": ""}, {"HOME": "."}, {"HOME": "~", "XDG_STATE_HOME": "s"}):
            assert default_folder(environment) == ""
        assert default_folder({"XDG_STATE_HOME": "/x", "HOME": "."}) == "/x/holystone"

    as_user(STRANGER, nobody)
    with pytest.raises(StoreError, match="there is no state folder: HOME has no absolute path"):
        Store("", no_warning).leases.list(NOW)
