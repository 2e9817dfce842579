"""Where all images have tags the engine's files tell what its list tells, and else nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from holystone.core.inventory import Image
from holystone.engine import parse
from holystone.engine.api import Client
from holystone.engine.bolt import Unreadable, reading
from holystone.engine.lists import Lists
from holystone.engine.observe import read_lists
from holystone.engine.tagged import read_tagged
from holystone.engine.transport.connection import connect
from holystone.engine.transport.endpoint import resolve
from holystone.ledger.ledger import Ledger
from tests.engine.cleaning import live_host
from tests.engine.restoring import pushed
from tests.engines import Engine, Registry
from tests.engines.emptying import empty
from tests.engines.images import ImageToLoad, layer, load

_IMAGES = 300
_TURNS = 200


@contextmanager
def _client(engine: Engine) -> Iterator[Client]:
    client = Client(resolve(engine.host, None, {}), 60, connect)
    yield client
    client.close()


def _told(engine: Engine) -> list[dict[str, Any]] | None:
    with _client(engine) as client:
        return read_tagged(client.get("/info"), client.get("/networks"))


def _names(images: list[Image], store: str) -> dict[str, tuple[set[str], set[str]]]:
    if store == "containerd":
        images = [parse.with_all_digests(image) for image in images]
    return {image.id: (set(image.tags), set(image.digests)) for image in images}


@pytest.mark.engine("classic", "containerd")
def test_the_files_name_the_images_as_the_engine_does(
    fresh_engine: Engine, registry: Registry, unique: str
) -> None:
    """One from Docker Hub by its name, one with two tags, one pulled with its digest."""
    tags = [f"localhost/{unique}:1", f"{unique}:2", f"someone/{unique}:latest"]
    load(fresh_engine, ImageToLoad([layer(unique)], tags))
    load(fresh_engine, ImageToLoad([layer(f"{unique} b")], [f"{unique}-b:1"]))
    fresh_engine.docker("pull", pushed(fresh_engine, registry, unique, "1"))
    told = _told(fresh_engine)
    listed = fresh_engine.api("GET", "/images/json?all=1")
    assert told is not None
    assert len(told) == 3
    store = fresh_engine.store
    assert _names([parse.image(each) for each in told], store) == _names(
        [parse.image(each) for each in listed], store
    )


@pytest.mark.engine("classic", "containerd")
def test_nothing_is_told_where_one_has_no_tag(
    fresh_engine: Engine, registry: Registry, unique: str
) -> None:
    """An untagged image, and one that has its digest for a name."""
    assert _told(fresh_engine) == []
    load(fresh_engine, ImageToLoad([layer(unique)], [f"{unique}:1"]))
    assert _told(fresh_engine)
    (untagged,) = load(fresh_engine, ImageToLoad([layer(f"{unique} untagged")]))
    assert _told(fresh_engine) is None
    fresh_engine.docker("rmi", untagged)
    assert _told(fresh_engine)
    by_digest = pushed(fresh_engine, registry, unique, "1")
    assert _told(fresh_engine)
    fresh_engine.docker("rmi", f"{by_digest.partition('@')[0]}:1")
    fresh_engine.docker("pull", by_digest)
    assert _told(fresh_engine) is None


@pytest.mark.engine("classic", "containerd")
def test_files_of_another_engine_tell_nothing(fresh_engine: Engine, unique: str) -> None:
    """The folder is there, and is that of an engine with other networks or other images."""
    load(fresh_engine, ImageToLoad([layer(unique)], [f"{unique}:1"]))
    with _client(fresh_engine) as client:
        info, networks = client.get("/info"), client.get("/networks")
    assert read_tagged(info, networks)
    elsewhere = [{**each, "Id": each["Id"][::-1]} for each in networks]
    assert read_tagged(info, elsewhere) is None
    assert read_tagged(info, []) is None
    assert read_tagged({**info, "Images": 2}, networks) is None
    assert read_tagged({**info, "DockerRootDir": f"{info['DockerRootDir']}x"}, networks) is None


@pytest.mark.engine("classic", "containerd")
def test_what_was_used_is_remembered_whole(
    fresh_engine: Engine, unique: str, tmp_path: Path
) -> None:
    """Of an image that was seen in use more than its name is written down."""
    tag = f"{unique}:1"
    (image_id,) = load(fresh_engine, ImageToLoad([layer(unique)], [tag]))
    container = fresh_engine.docker("create", "--network", "none", tag, "/x")
    host = live_host(fresh_engine, tmp_path)
    host.lists = Lists(host.client, sizes=False, names_do=True)
    host.lists.name_images()
    assert host.lists.named
    (named,) = host.observe().images
    assert (named.id, named.tags, named.size) == (image_id, (tag,), 0)
    host.close()
    fresh_engine.docker("rm", container)
    with _client(fresh_engine) as client:
        (listed,) = read_lists(Lists(client, sizes=False), 0.0).images
    ledger = Ledger(str(tmp_path), pytest.fail)
    written = ledger.read(
        lambda database: database.execute("SELECT size, created FROM past_image").fetchall()
    )
    ledger.close()
    assert [tuple(row) for row in written] == [(listed.size, listed.created)]
    assert listed.size > 0
    assert listed.created > 0


@pytest.mark.engine("containerd")
def test_the_database_is_read_whole_while_it_is_written_to(
    fresh_engine: Engine, unique: str
) -> None:
    """Each state that is read has every image that was there throughout, or is not believed."""
    names = [f"localhost/{unique}:{n}" for n in range(_IMAGES)]
    load(fresh_engine, ImageToLoad([layer(unique)], names))
    root = fresh_engine.api("GET", "/info")["DockerRootDir"]
    path = f"{root}/containerd/daemon/io.containerd.metadata.v1.bolt/meta.db"
    ended = threading.Event()

    def write() -> None:
        for turn in range(_TURNS):
            fresh_engine.api("POST", f"/images/{names[0]}/tag?repo=localhost/{unique}-n&tag={turn}")
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    whole = void = 0
    while not ended.is_set():
        try:
            with reading(path) as database:
                images = database.bucket(b"v1", b"moby", b"images")
                found = {name.decode() for name, image in images.items() if image}
        except Unreadable:
            void += 1
            continue
        whole += 1
        assert found.issuperset(names)
    writer.join()
    assert whole > void, (whole, void)
    empty(fresh_engine)


@pytest.mark.engine("containerd")
def test_a_damaged_database_tells_nothing(
    fresh_engine: Engine, unique: str, tmp_path: Path
) -> None:
    """Cut short, or with bytes that are not its own: no other error, and it comes to an end."""
    names = [f"localhost/{unique}:{n}" for n in range(40)]
    load(fresh_engine, ImageToLoad([layer(unique)], names))
    root = fresh_engine.api("GET", "/info")["DockerRootDir"]
    path = Path(f"{root}/containerd/daemon/io.containerd.metadata.v1.bolt/meta.db")
    data = path.read_bytes()
    copy = tmp_path / "meta.db"
    damaged = [data[:size] for size in (0, 10, 4096, 8192, 3 * 4096 + 9)]
    damaged += [data[:8192] + bytes([n]) * (len(data) - 8192) for n in (0, 1, 2, 255)]
    damaged += [data[:8192] + data[8192 + shift :] for shift in (1, 16, 4096, 8192)]
    for content in damaged:
        copy.write_bytes(content)
        try:
            with reading(str(copy)) as database:
                found = [name for name, _ in database.bucket(b"v1", b"moby", b"images").items()]
        except Unreadable:
            continue
        assert json.dumps([name.decode("latin-1") for name in found])
