"""The engines' JSON as records: Docker's and Podman's ways of saying the same thing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holystone.engine import parse
from holystone.engine.cache import cache_record, disk_usage
from holystone.engine.clock import timestamp
from holystone.planner.inventory import CacheRecord, Container, Image
from holystone.usage.store_port import ImageFacts

HEX = "0123456789abcdef" * 4
ID = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-01-01T00:00:00Z", 1704067200.0),
        ("2024-02-29T23:59:59.5Z", 1709251199.5),
        ("2024-01-01T00:00:00.123456789Z", 1704067200.123456789),
        ("2024-01-01T02:30:00+02:30", 1704067200.0),
        ("2023-12-31T16:00:00.25-08:00", 1704067200.25),
        ("1969-12-31T23:59:59Z", -1.0),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:19:32+00:19", None),
        ("", None),
        (None, None),
        (1704067200, None),
        ("yesterday", None),
        ("2024-01-01", None),
        ("2024-01-01T00:00:00", None),
        ("2024-01-01T00:00:00.Z0", None),
        ("2024-01-01T00:00:00+02", 1704060000.0),
    ],
)
def test_times(text: object, seconds: float | None) -> None:
    """RFC 3339 with any fraction and offset; Go's zero time, and what is no time, is none."""
    found = timestamp(text)
    assert found == seconds if seconds is None else found == pytest.approx(seconds, abs=1e-6)


zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


FIRST, LAST = (datetime(year, 1, 1) for year in (1900, 2200))  # noqa: DTZ001 - zones are drawn


@given(st.datetimes(FIRST, LAST, timezones=zones))
@example(datetime(2000, 2, 29, tzinfo=UTC))
@example(datetime(1900, 3, 1, tzinfo=UTC))
def test_times_are_those_of_the_standard_library(moment: datetime) -> None:
    """For three centuries of leap years and any offset."""
    assert timestamp(moment.isoformat()) == pytest.approx(moment.timestamp(), abs=1e-5)


@pytest.mark.parametrize(
    ("listed", "tags", "digests"),
    [
        ({"RepoTags": ["a:1", "b:2"], "RepoDigests": ["a@" + ID]}, ("a:1", "b:2"), ("a@" + ID,)),
        # Engine 20.10 of a dangling image, and of one whose tag moved on to another.
        ({"RepoTags": ["<none>:<none>"], "RepoDigests": ["<none>@<none>"]}, (), ()),
        ({"RepoTags": ["a:<none>"], "RepoDigests": ["a@" + ID]}, (), ("a@" + ID,)),
        ({"RepoTags": None, "RepoDigests": None}, (), ()),
        ({"RepoTags": [], "RepoDigests": []}, (), ()),
        ({}, (), ()),
        # The containerd store lists an image pulled by digest under its tags, and again here.
        ({"RepoTags": ["a@" + ID], "RepoDigests": ["a@" + ID]}, (), ("a@" + ID,)),
        ({"RepoTags": ["a:1"], "RepoDigests": ["@" + ID]}, ("a:1",), ()),
    ],
)
def test_references_of_an_image(
    listed: dict[str, Any], tags: tuple[str, ...], digests: tuple[str, ...]
) -> None:
    image = parse.image({"Id": ID, **listed})
    assert (image.tags, image.digests) == (tags, digests)
    assert parse.references(listed) == {*tags, *digests} | {
        name for name in listed.get("RepoDigests") or () if name.startswith("@")
    }


def test_an_image_of_docker() -> None:
    image = parse.image(
        {
            "Id": ID,
            "ParentId": ID.replace("0", "1"),
            "Created": 1704067200,
            "Size": 12,
            "Labels": {"a": "b"},
        }
    )
    assert image == (
        Image(id=ID, parent=ID.replace("0", "1"), created=1704067200.0, size=12, labels={"a": "b"})
    )


def test_bare_ids_of_podman_get_their_algorithm() -> None:
    """Podman leaves ``sha256:`` out of parents; without it a DELETE would be a 500."""
    image = parse.image({"Id": ID, "ParentId": HEX, "Labels": None, "RepoTags": None})
    assert image.parent == ID
    assert parse.image({"Id": HEX, "ParentId": ""}).id == ID
    assert parse.image({"Id": HEX, "ParentId": ""}).parent == ""
    assert parse.container({"Id": "c", "ImageID": HEX}).image_id == ID
    assert parse.full_id("<missing>") == "<missing>"


def held(kind: str, *sizes: dict[str, int] | None) -> dict[str, Any]:
    """What the containerd store adds to an entry: a descriptor of 9 bytes, and its manifests."""
    descriptor = {"mediaType": f"application/vnd.{kind}+json", "size": 9}
    return {"Descriptor": descriptor, "Manifests": [{"Size": size} for size in sizes]}


@pytest.mark.parametrize(
    ("listed", "size"),
    [
        ({}, 0),
        ({"Manifests": None, "Descriptor": None}, 0),
        (held("oci.image.manifest.v1", {"Content": 100, "Total": 500}), 100),
        (held("oci.image.index.v1", {"Content": 100}, {"Content": 20}, None), 129),
        (held("docker.distribution.manifest.list.v2", {"Content": 100}), 109),
    ],
)
def test_the_compressed_size_of_an_image(listed: dict[str, Any], size: int) -> None:
    """A plain manifest is counted within; an index over manifests is not."""
    assert parse.image({"Id": ID, **listed}).content_size == size


def test_what_an_inspection_adds_to_an_image() -> None:
    known = ImageFacts(first_seen=5.0)
    told = {
        "Metadata": {"LastTagTime": "2024-01-01T00:00:00Z"},
        "Comment": "buildkit.dockerfile.v0",
        "RootFS": {"Type": "layers", "Layers": ["sha256:a"]},
    }
    assert parse.inspected_image(known, told) == ImageFacts(
        first_seen=5.0,
        last_tagged=1704067200.0,
        made_by_buildkit=True,
        inspected=True,
        diff_ids=("sha256:a",),
    )
    bare = parse.inspected_image(known, {"Metadata": None, "RootFS": None})
    assert bare == ImageFacts(first_seen=5.0, inspected=True, diff_ids=())


def test_a_container() -> None:
    found = parse.container(
        {
            "Id": "c1",
            "Names": ["/web/db", "/db"],
            "Image": "postgres",
            "ImageID": ID,
            "State": "Exited",
            "Created": 1704067200,
            "SizeRw": 7,
            "Labels": {"a": "b"},
            "Mounts": [
                {"Type": "volume", "Name": "data"},
                {"Type": "bind", "Name": "", "Source": "/srv"},
                {"Type": "tmpfs"},
            ],
            "NetworkSettings": {"Networks": {"one": {}, "two": {}}},
        }
    )
    assert found == Container(
        id="c1",
        name="db",
        image_id=ID,
        image="postgres",
        state="exited",
        created=1704067200.0,
        writable_size=7,
        labels={"a": "b"},
        volumes=("data",),
        networks=("one", "two"),
    )


@pytest.mark.parametrize("size", [-1, 0, None])
def test_a_container_with_nothing_written(size: int | None) -> None:
    """A size that cannot be told (-1) frees nothing; without a name its ID stands for it."""
    found = parse.container(
        {"Id": HEX, "SizeRw": size, "Names": None, "NetworkSettings": {"Networks": None}}
    )
    assert (found.name, found.writable_size, found.networks) == (HEX[:12], 0, ())


def test_what_an_inspection_adds_to_a_container() -> None:
    listed = Container("c1", "db", ID, "postgres", "exited")
    state = {"Status": "exited", "FinishedAt": "2024-01-01T00:00:00Z", "ExitCode": 137}
    ended = parse.inspected_container(listed, {"State": state, "SizeRw": 9})
    assert ended == listed._replace(finished=1704067200.0, exit_code=137, writable_size=9)
    again = parse.inspected_container(listed, {"State": {**state, "Status": "running"}})
    assert again == listed._replace(state="running")
    never = {"Status": "dead", "FinishedAt": "0001-01-01T00:00:00Z"}
    assert parse.inspected_container(listed, {"State": never}).finished is None
    anew = {**state, "StartedAt": "2024-01-02T00:00:00Z"}
    assert parse.inspected_container(listed, {"State": anew}).finished is None
    lost = {**never, "Status": "created", "StartedAt": "2024-01-02T00:00:00Z"}
    assert parse.inspected_container(listed, {"State": lost}).state == "exited"


def test_what_a_container_needs() -> None:
    listed = Container("c1", "db", ID, "postgres", "created")
    told = parse.inspected_container(
        listed,
        {
            "State": {"Status": "created", "ExitCode": 127},
            "Config": {"Image": "postgres:16"},
            "HostConfig": {
                "NetworkMode": "container:vpn",
                "IpcMode": "container:0123",
                "PidMode": "host",
                "VolumesFrom": ["data:ro", "data"],
                "Links": ["/other:/db/alias"],
                "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0},
            },
            "Dependencies": ["4567"],
            "Pod": "89ab",
            "IsInfra": True,
        },
    )
    assert told == listed._replace(
        exit_code=127,
        started_from="postgres:16",
        restart="always",
        needs=("vpn", "0123", "data", "other", "4567"),
        pod="89ab",
        infra=True,
    )


@pytest.mark.parametrize(
    ("listed", "anonymous", "size"),
    [
        ({"Name": "data"}, False, None),
        ({"Name": "data", "Labels": {"com.docker.volume.anonymous": ""}}, True, None),
        ({"Name": HEX}, True, None),
        ({"Name": HEX.upper()}, False, None),
        ({"Name": HEX[:-1]}, False, None),
        ({"Name": "data", "UsageData": {"Size": -1, "RefCount": -1}}, False, None),
        ({"Name": "data", "UsageData": {"Size": 0, "RefCount": 0}}, False, 0),
        ({"Name": "data", "UsageData": {"Size": 5}, "Labels": None}, False, 5),
    ],
)
def test_volumes(listed: dict[str, Any], anonymous: bool, size: int | None) -> None:
    """Anonymous by label from 23.0 on, by its 64 hexadecimal digits before; -1 is not walked."""
    volume = parse.volume(listed)
    assert (volume.anonymous, volume.size) == (anonymous, size)


def test_networks_of_the_engine_are_told_apart() -> None:
    names = {"bridge": True, "host": True, "none": True, "podman": True, "shop_default": False}
    for name, builtin in names.items():
        assert parse.network({"Id": "n", "Name": name}).builtin is builtin


@pytest.mark.parametrize(
    ("told", "parents"),
    [
        ({"Parent": "a"}, ("a",)),
        ({"Parents": ["a", "b"]}, ("a", "b")),
        ({" Parents": ["a", "b"]}, ("a", "b")),
        ({"Parent": "", " Parents": ["a"]}, ("a",)),
        ({"Parent": "a", "Parents": None}, ("a",)),
        ({"Parent": "", "Parents": []}, ()),
        ({}, ()),
    ],
)
def test_parents_of_a_cache_record(told: dict[str, Any], parents: tuple[str, ...]) -> None:
    """``Parent``, ``Parents``, and with the blank that engines 26.1 to 28.5 put before it."""
    assert cache_record({"ID": "r", **told}).parents == parents


def test_a_cache_record() -> None:
    record = cache_record(
        {
            "ID": "r",
            "Type": "source.local",
            "Description": "d",
            "InUse": True,
            "Shared": True,
            "Size": -1,
            "CreatedAt": "2024-01-01T00:00:00Z",
            "LastUsedAt": None,
            "UsageCount": 2,
        }
    )
    assert record == CacheRecord(
        "r", (), "source.local", "d", 0, 1704067200.0, None, 2, in_use=True, shared=True
    )


OLD: dict[str, Any] = {kind: [{"old": kind}] for kind in ("Images", "Volumes", "BuildCache")}
NEW: dict[str, Any] = {
    "ImageUsage": {"TotalCount": 1, "Items": [{"new": "Images"}]},
    "VolumeUsage": {"Items": [{"new": "Volumes"}]},
    "BuildCacheUsage": {"Items": [{"new": "BuildCache"}]},
    "ContainerUsage": {"TotalCount": 0, "Items": None},
}


@pytest.mark.parametrize("kind", ["Images", "Volumes", "BuildCache"])
def test_both_shapes_of_disk_usage(kind: str) -> None:
    """Up to API 1.51 one list a kind, from 1.53 on Items, in 1.52 both; Items only if verbose."""
    assert list(disk_usage(OLD, kind)) == [{"old": kind}]
    assert list(disk_usage(NEW, kind)) == [{"new": kind}]
    assert list(disk_usage({**OLD, **NEW}, kind)) == [{"new": kind}]
    assert list(disk_usage({**OLD, f"{kind.removesuffix('s')}Usage": {}}, kind)) == [{"old": kind}]
    assert list(disk_usage({kind: None}, kind)) == []
    assert list(disk_usage({}, kind)) == []
    assert list(disk_usage(NEW, "Containers")) == []


@pytest.mark.parametrize(
    ("info", "podman", "store", "identity"),
    [
        ({"ID": "A:B", "DriverStatus": [["a", "b"]]}, False, "classic", "A:B"),
        ({"ID": "A", "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]},
         False, "containerd", "A"),
        ({"Name": "h", "DockerRootDir": "/d", "DriverStatus": None}, False, "classic", "h:/d"),
        ({"ID": "random", "Name": "host", "DockerRootDir": "/g"}, True, "podman", "host:/g"),
    ],
)  # fmt: skip
def test_which_engine_answered(
    info: dict[str, Any], podman: bool, store: str, identity: str
) -> None:
    engine = parse.engine(info, "1", (1, 41), podman=podman)
    assert (engine.store, engine.id, engine.api_version) == (store, identity, "1.41")
