"""What a manifest list of Podman refers to is in use by it, and stays."""

from __future__ import annotations

import json

import pytest

from holystone.planner.policy import TAKES, Grace, Policy
from tests.engine.cleaning import NO_GRACE, clean, image_ids
from tests.engines import Engine
from tests.engines.images import SCRATCH, busybox_files, tar_of

pytestmark = pytest.mark.engine("podman")

DEEP = Policy("deep", TAKES["deep"], Grace.uniform(0), include_local=True, check_registry=False)


def build_list(engine: Engine, unique: str, name: str) -> str:
    """Build an image for a manifest list, as ``podman build --manifest`` does; its ID."""
    context = tar_of(
        {
            "Dockerfile": f"{SCRATCH}LABEL of={unique}-{name}\n".encode(),
            **busybox_files("rootfs/"),
        }
    )
    path = f"/v4.0.0/libpod/build?manifest={name}&platform=linux/amd64&networkmode=none"
    said = engine.client.raw("POST", path, context)
    last = json.loads(said.splitlines()[-1])["stream"].strip()
    return f"sha256:{last}"


def test_the_images_of_a_list(fresh_engine: Engine, unique: str) -> None:
    name = f"localhost/{unique}:1"
    member = build_list(fresh_engine, unique, name)
    assert member in image_ids(fresh_engine)
    for policy in (NO_GRACE, DEEP):
        (reason,) = clean(fresh_engine, policy).verdict(member).reasons
        assert (reason.rule, reason.facts) == ("in-use", {"manifest_list": name})
        assert member in image_ids(fresh_engine)
    manifest = fresh_engine.client.raw("GET", f"/v4.0.0/libpod/manifests/{name}/json")
    assert len(json.loads(manifest)["manifests"]) == 1
    fresh_engine.client.raw("DELETE", f"/v4.0.0/libpod/manifests/{name}")
    assert clean(fresh_engine).verdict(member).remove
    assert member not in image_ids(fresh_engine)


def test_an_image_that_a_list_has_no_more(fresh_engine: Engine, unique: str) -> None:
    kept, _ = (build_list(fresh_engine, f"{unique}{n}", f"localhost/{unique}:{n}") for n in "12")
    fresh_engine.client.raw("DELETE", f"/v4.0.0/libpod/manifests/localhost/{unique}:2")
    clean(fresh_engine)
    assert image_ids(fresh_engine) == {kept}
