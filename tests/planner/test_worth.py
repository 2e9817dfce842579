"""What the images of an inventory are made of for the ranking."""

from __future__ import annotations

import pytest

from holystone.planner.inventory import Blob, Image, Layer
from holystone.planner.usage import Usage
from holystone.planner.worth import prospects, rank


def test_a_layer_that_was_never_compressed_counts_unpacked_and_as_a_blob() -> None:
    """Both have the same digest; the ranking must not take them for one, nor lose count."""
    images = [
        Image(name, (f"{name}:1",), layers=(Layer("sha256:1", 100),), blobs=(Blob("sha256:1", 90),))
        for name in "ab"
    ]
    ranking = rank(images, images, Usage(), lambda image: 1.0)
    assert [entry.freed for entry in ranking.entries.values()] == [0, 0]
    for left in (190, None):
        entry = ranking.least(2.0)
        assert entry is not None
        ranking.drop(entry.key)
        assert [each.freed for each in ranking.entries.values()] == ([left] if left else [])


@pytest.mark.parametrize(
    ("store", "known", "fetched"),
    [
        ("classic", {}, False),
        ("classic", {"digests": ("a@sha256:1",)}, True),
        ("classic", {"digests": ("a@sha256:1",), "in_registry": False}, False),
        ("containerd", {"digests": ("a@sha256:1",)}, False),
        ("containerd", {"digests": ("a@sha256:1",), "from_registry": True}, True),
        ("podman", {"digests": ("a@sha256:1",), "in_registry": True}, True),
    ],
)
def test_only_what_a_registry_has_can_be_fetched(
    store: str, known: dict[str, object], fetched: bool
) -> None:
    image = Image("a", ("a:1",), layers=(Layer("sha256:1", 100),))._replace(**known)  # type: ignore[arg-type]
    ranking = rank([image], [image], Usage(), lambda each: 1.0)
    expected = prospects(ranking.entries["a"], image, store, 2.0, {})
    assert expected.freed == 100
    assert (expected.seconds is not None) is fetched
