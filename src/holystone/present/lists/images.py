"""The rows of ``holystone images``: one for each tag, and one for an image without any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from holystone.planner.holders import Share
from holystone.planner.inventory import Image
from holystone.planner.lookup import did_you_mean, find_images
from holystone.planner.units import format_size
from holystone.planner.verdict import Rule
from holystone.present import figures
from holystone.present.format import short_id
from holystone.present.lists import filters as by
from holystone.present.lists.objects import (
    ObjectRow,
    Seen,
    age_filters,
    date_fields,
    date_orders,
    id_field,
    known_time,
    use_filter,
    verdict_fields,
    verdict_filters,
    verdict_orders,
)
from holystone.present.lists.table import Field, Filter, Table, Term, where_known

NONE = "<none>"
"""How the docker command writes a repository or a tag that is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(ObjectRow):
    """An image under one of its names."""

    image: Image
    repository: str
    tag: str
    share: Share | None
    containers: tuple[str, ...]

    @property
    def unique(self) -> int | None:
        """Bytes that it alone holds."""
        return self.share.unique if self.share else None

    @property
    def shared(self) -> int | None:
        """Bytes that other images hold as well."""
        return self.share.shared if self.share else None

    @property
    def name(self) -> str:
        """The reference, else the start of the ID."""
        if self.tag != NONE:
            return f"{self.repository}:{self.tag}"
        return self.digest_reference or short_id(self.image.id)

    @property
    def digest_reference(self) -> str:
        """The reference with a digest in this repository; empty where there is none."""
        start = f"{self.repository}@"
        return next((text for text in self.image.digests if text.startswith(start)), "")

    @property
    def references(self) -> tuple[str, ...]:
        """What a filter for references looks at."""
        digest = self.digest_reference
        named = () if self.tag == NONE else (self.name,)
        return (*named, digest) if digest else named


def rows(seen: Seen, *, whole: bool = False) -> list[Row]:
    """The rows of all images, the largest image first."""
    inventory, verdicts = seen.inventory, seen.verdicts("image")
    shares = figures.image_shares(inventory.images)
    users = figures.containers_of(inventory)
    now, listed = inventory.taken_at, []
    for image in sorted(inventory.images, key=lambda each: (-each.size, each.tags, each.id)):
        containers = users.get(image.id, [])
        used = figures.last_use(containers, now)
        names = tuple(container.name for container in containers)
        listed += [
            Row(
                verdict=verdicts[image.id],
                created=known_time(image.created),
                used=used,
                now=now,
                whole=whole,
                image=image,
                repository=repository,
                tag=tag,
                share=shares[image.id],
                containers=names,
            )
            for repository, tag in names_of(image)
        ]
    return listed


def names_of(image: Image) -> list[tuple[str, str]]:
    """Repository and tag of each of its tags; where it has none, its repositories."""
    if image.tags:
        return [split_tag(tag) for tag in image.tags]
    repositories = dict.fromkeys(digest.partition("@")[0] for digest in image.digests)
    return [(repository, NONE) for repository in repositories or (NONE,)]


def split_tag(reference: str) -> tuple[str, str]:
    """Repository and tag of a reference: ``("localhost:5000/app", "v1")``."""
    repository, colon, tag = reference.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (reference, NONE)


def is_step(row: Row) -> bool:
    """Whether it is a step of a classic build, which docker does not list either."""
    return row.verdict.reasons[0].rule == Rule.PARENT


def resolved(terms: Sequence[Term], images: Sequence[Image]) -> list[Term]:
    """The filters with the time of the image that ``before`` and ``since`` name.

    Raises ValueError where that is none of these images.
    """
    told = []
    for term in terms:
        if term.name not in ("before", "since"):
            told.append(term)
            continue
        found = find_images(images, term.value)
        if not found:
            near = did_you_mean((tag for image in images for tag in image.tags), term.value)
            raise ValueError(f"{term.name}={term.value}: there is no such image here.{near}")
        if len({image.created for image in found}) > 1:
            names = ", ".join(image.tags[0] if image.tags else image.id for image in found[:4])
            raise ValueError(f"{term.name}={term.value} means several images: {names}")
        told.append(term._replace(value=repr(found[0].created)))
    return told


def _bytes(count: int | None) -> str | None:
    return where_known(format_size, count)


TABLE: Table[Row] = Table(
    (
        id_field(Row),
        Field("Name", "repository and tag, else a digest, else the ID", lambda row: row.name),
        Field("Repository", "its repository, or <none>", lambda row: row.repository),
        Field("Tag", "its tag, or <none>", lambda row: row.tag),
        Field("Digest", "its digest in this repository, or <none>",
              lambda row: row.digest_reference.partition("@")[2] or NONE),
        Field("Size", "what the engine says, shared layers included",
              lambda row: _bytes(row.image.size)),
        Field("SizeBytes", "the same in bytes", lambda row: row.image.size),
        Field("UniqueSize", "what it alone holds", lambda row: _bytes(row.unique)),
        Field("UniqueBytes", "the same in bytes", lambda row: row.unique),
        Field("SharedSize", "what other images hold as well", lambda row: _bytes(row.shared)),
        Field("SharedBytes", "the same in bytes", lambda row: row.shared),
        *date_fields(Row, made="when it was built", use="when a container last used it"),
        Field("Containers", "how many containers use it", lambda row: len(row.containers)),
        Field("ContainerNames", "what they are called", lambda row: row.containers),
        Field("Labels", "its labels", lambda row: row.image.labels),
        *verdict_fields(Row),
    ),
    {
        "size": lambda row: row.image.size,
        "unique": lambda row: row.unique,
        "shared": lambda row: row.shared,
        "name": lambda row: (row.repository == NONE, row.repository, row.tag),
        "tag": lambda row: row.tag,
        "id": lambda row: row.image.id,
        **date_orders(Row),
        "containers": lambda row: len(row.containers),
        **verdict_orders(Row),
    },
    (
        Filter("reference", "a reference, a pattern of it, or the end of its name",
               by.reference(lambda row: row.references)),
        Filter("name", "a part of the reference, or a pattern", by.part(lambda row: (row.name,))),
        Filter("id", "the start of the ID", by.start(lambda row: row.image.id)),
        Filter("label", "a label: key or key=value; several must all be there",
               by.label(lambda row: row.image.labels), all_of=True),
        Filter("dangling", "true: without a tag", by.flag(lambda row: not row.image.tags)),
        Filter("before", "built before this image",
               by.moment(lambda row: row.created, later=False)),
        Filter("since", "built after this image",
               by.moment(lambda row: row.created, later=True)),
        *age_filters(Row, made="built"),
        use_filter(Row, use="a container last used it"),
        Filter("size", "its size: 'size>1GB'", by.size(lambda row: row.image.size)),
        Filter("unique", "what it alone holds: 'unique>1GB'", by.size(lambda row: row.unique)),
        Filter("containers", "how many containers use it: containers=0",
               by.number(lambda row: len(row.containers))),
        *verdict_filters(Row),
    ),
)  # fmt: skip
