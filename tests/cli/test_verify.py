"""``holystone verify``: what is damaged is told, and mended where that can be."""

from __future__ import annotations

import pytest

from tests.cli.command import Command
from tests.docs.test_reference import codes, fields, first_cells, section
from tests.engine.damage import flip, payload
from tests.engine.restoring import forget, image, pushed
from tests.engines import Engine, Registry
from tests.engines.images import ImageToLoad, busybox_layer, layer, load


@pytest.mark.engine("docker20", "docker28c")
def test_a_damaged_image_is_pulled_again(
    fresh_engine: Engine, registry: Registry, holystone: Command, unique: str
) -> None:
    reference = pushed(fresh_engine, registry, unique, "1", "latest")
    before = image(fresh_engine, reference)
    tags = [f"{registry.address}/{unique}:{tag}" for tag in ("1", "latest")]
    on = ("-H", fresh_engine.host)
    whole = holystone("verify", *on)
    assert (whole.code, whole.err) == (0, "")
    assert whole.lines[0].startswith("Verified 1 image in ")
    assert whole.lines[0].endswith(" read: 1 ok.")
    assert holystone("verify", "--repair", *on).code == 0

    flip(payload(fresh_engine, layer(unique, 30_000)))
    found = holystone("verify", tags[0], *on)
    assert found.code == 1
    assert "damaged" in found.lines[0]
    assert image(fresh_engine, reference) == before

    mended = holystone("verify", "--repair", "--json", *on)
    assert (mended.code, mended.err) == (0, ""), mended
    assert fields(mended.json) == documented()
    (told,) = mended.json["images"]
    assert (told["result"], told["repair"]) == ("damaged", "repaired")
    assert sorted(told["tags"]) == tags
    after = [image(fresh_engine, tag) for tag in tags]
    assert before is not None
    assert [each and each["Id"] for each in after] == [before["Id"]] * 2
    assert holystone("verify", *on).code == 0
    # What was removed is in the history, for ``restore`` to bring back had it been killed.
    run = holystone("history", "1", "--json").json
    assert [removal["result"] for removal in run["removals"]] == ["removed"]


@pytest.mark.engine("docker20")
def test_a_digest_that_is_the_name_stays_the_name(
    fresh_engine: Engine, registry: Registry, holystone: Command, unique: str
) -> None:
    digest = pushed(fresh_engine, registry, unique, "1")
    fresh_engine.docker("rmi", digest.partition("@")[0] + ":1")
    fresh_engine.docker("pull", digest)
    on = ("-H", fresh_engine.host)
    flip(payload(fresh_engine, layer(unique, 30_000)))
    assert holystone("verify", "--repair", *on).code == 0
    assert holystone("history", "--json").json["runs"], "it was removed and pulled again"
    (reason,) = holystone("explain", digest, "--json", *on).json["item"]["reasons"]
    assert (reason["rule"], reason["facts"]["certain"]) == ("digest", True)


def documented() -> set[str]:
    """The fields of the document, by its description."""
    told = codes(first_cells(section("docs/reference/json.md", "verify --json")))
    return {name for name in told if not any(each.startswith(f"{name}.") for each in told)}


@pytest.mark.engine("docker20", "docker28c")
def test_images_that_share_a_damaged_layer_go_and_come_together(
    fresh_engine: Engine, registry: Registry, holystone: Command, unique: str
) -> None:
    """The same content under two names of a registry, of one ID or two."""
    bad = layer(f"{unique} base", 30_000)
    names = [f"{registry.address}/{unique}-{n}:1" for n in "ab"]
    load(fresh_engine, *(ImageToLoad([bad, layer(name)], [name]) for name in names))
    for name in names:
        fresh_engine.docker("push", name)
    flip(payload(fresh_engine, bad))
    on = ("-H", fresh_engine.host)
    found = holystone("verify", "--json", names[0], *on)
    assert found.code == 1
    # overlay2 does not say which of the two layers it is, and no other image was looked at.
    also = [names[1]] if fresh_engine.store == "containerd" else []
    assert found.json["images"][0]["also_affected"] == also
    alone = holystone("verify", names[0], "--repair", *on, names[0])
    assert alone.code == 3
    assert f"{names[1]} may hold the damaged layer too: ask for it as well" in alone.out
    both = holystone("verify", "--repair", *on)
    assert both.code == 0, both
    assert both.lines[-1].endswith("Repaired 2.")
    assert holystone("verify", *on).code == 0


@pytest.mark.engine("docker20")
def test_what_cannot_be_mended_stays_and_says_why(
    fresh_engine: Engine, registry: Registry, holystone: Command, unique: str
) -> None:
    used, local = f"localhost/{unique}-used:1", f"localhost/{unique}-local:1"
    parts = {name: layer(name, 20_000) for name in (used, local)}
    # Proves that what the two have in common is whole.
    load(fresh_engine, ImageToLoad([busybox_layer()], [f"localhost/{unique}:1"]))
    for name, part in parts.items():
        load(fresh_engine, ImageToLoad([busybox_layer(), part], [name]))
    gone = pushed(fresh_engine, registry, unique, "1")
    forget(registry, gone)
    fresh_engine.docker("create", "--name", unique, "--network", "none", used)
    for part in (*parts.values(), layer(unique, 30_000)):
        flip(payload(fresh_engine, part))
    done = holystone("verify", "--repair", "--json", "-H", fresh_engine.host)
    assert done.code == 3
    listed = done.json["images"]
    told = {each["tags"][0]: each for each in listed if each["result"] == "damaged"}
    assert len(listed) == len(told) + 1
    assert [entry["repair"] for entry in told.values()] == ["failed"] * 3
    assert told[used]["repair_detail"] == f"{used} is used by container {unique}"
    assert told[used]["containers"] == [unique]
    assert "has no digest of a registry: build it again" in told[local]["repair_detail"]
    assert "says" in told[f"{registry.address}/{unique}:1"]["repair_detail"]
    assert all(image(fresh_engine, name) for name in told)


@pytest.mark.engine("docker20")
def test_there_is_no_such_image_or_engine(fresh_engine: Engine, holystone: Command) -> None:
    on = ("-H", fresh_engine.host)
    assert "there is no image 'never:1'" in holystone("verify", "never:1", *on).failed(1)
    assert holystone("verify", *on).lines[-1].endswith("0 B read: nothing to do.")
    holystone("verify", "-H", "unix:///nowhere.sock").failed(10)
