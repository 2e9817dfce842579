"""Which snapshots and blobs containerd's database takes for needed."""

from __future__ import annotations

from pathlib import Path

from holystone.engine.storage.containerd_records import METADATA, SNAPSHOTTER, read_records
from tests.engine.bolt_files import Tree, write_bolt

_REF = "containerd.io/gc.ref."


def blob(**labels: str) -> Tree:
    named = {name.replace("__", "/").replace("_", "."): text for name, text in labels.items()}
    return {"size": b"\x02", "labels": {name: text.encode() for name, text in named.items()}}


def labelled(labels: dict[str, str]) -> Tree:
    return {"size": b"\x02", "labels": {name: text.encode() for name, text in labels.items()}}


def snapshot(name: str, parent: str = "") -> Tree:
    return {"name": f"moby/1/{name}".encode(), "parent": parent.encode()}


def databases(root: Path) -> None:
    """An image with two layers, a container, a record of the build cache, and what nobody needs."""
    keys = ("base", "top", "of-container", "of-record", "lost", "child-of-lost")
    content: Tree = {
        "manifest": labelled({f"{_REF}content.config": "config", f"{_REF}content.l.0": "layer"}),
        "config": labelled({f"{_REF}snapshot.overlayfs": "top"}),
        "layer": labelled({"containerd.io/uncompressed": "diff"}),
        "kept": labelled({"containerd.io/gc.root": "2026"}),
        "leased": labelled({}),
        "garbage": labelled({"containerd.io/uncompressed": "other"}),
    }
    meta: Tree = {
        "v1": {
            "moby": {
                "content": {"blob": content},
                "images": {"app:1": {"target": {"digest": b"manifest"}, "createdat": b""}},
                "leases": {
                    "c0ffee": {"snapshots": {"overlayfs": {"of-container": b""}}},
                    "record": {
                        "snapshots": {"overlayfs": {"of-record": b""}},
                        "content": {"leased": b""},
                    },
                },
                "snapshots": {
                    "overlayfs": {
                        "base": snapshot("base"),
                        "top": snapshot("top", "base"),
                        "of-container": snapshot("of-container", "top"),
                        "of-record": snapshot("of-record", "base"),
                        "lost": snapshot("lost", "base"),
                        "child-of-lost": snapshot("child-of-lost", "lost"),
                    }
                },
            },
        }
    }
    write_bolt(root / METADATA / "meta.db", meta)
    folders: Tree = {
        "v1": {
            "snapshots": {
                f"moby/1/{key}": {"id": bytes([number + 1]), "kind": b"\3"}
                for number, key in enumerate(keys)
            }
        }
    }
    write_bolt(root / f"{SNAPSHOTTER}overlayfs" / "metadata.db", folders)


def test_what_an_image_a_lease_or_a_label_reaches_is_needed(tmp_path: Path) -> None:
    databases(tmp_path)
    records = read_records(str(tmp_path))
    assert records.snapshotters == ("overlayfs",)
    needs = {each.key: each.needs for each in records.snapshots.values()}
    assert needs["base"].images == ("app:1",)
    assert needs["base"].leases == ("c0ffee", "record")
    assert needs["top"].images == ("app:1",)
    assert needs["of-container"].leases == ("c0ffee",)
    assert not needs["of-container"].images
    assert needs["of-record"].leases == ("record",)
    assert not needs["lost"]
    assert not needs["child-of-lost"]
    assert records.snapshots["overlayfs", "1"].key == "base"
    assert records.snapshots["overlayfs", "6"].key == "child-of-lost"


def test_blobs_are_needed_alike_and_may_be_there_twice(tmp_path: Path) -> None:
    databases(tmp_path)
    blobs = read_records(str(tmp_path)).blobs
    assert {digest for digest, each in blobs.items() if each.needs} == {
        *("manifest", "config", "layer", "kept", "leased")
    }
    assert {digest for digest, each in blobs.items() if each.unpacked} == {"layer"}
    assert blobs["kept"].needs.others == ("label of kept",)
    assert not blobs["garbage"].needs


def test_a_blob_of_two_namespaces_is_needed_by_both(tmp_path: Path) -> None:
    content: Tree = {"shared": labelled({})}
    spaces: Tree = {
        name: {"content": {"blob": content}, "images": {name: {"target": {"digest": b"shared"}}}}
        for name in ("moby", "k8s.io")
    }
    write_bolt(tmp_path / METADATA / "meta.db", {"v1": spaces})
    assert read_records(str(tmp_path)).blobs["shared"].needs.images == ("k8s.io", "moby")
