"""Parse the JSON of Docker and Podman into records of the inventory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holystone.engine.clock import timestamp
from holystone.planner.inventory import Container, Engine, Image, Network, Volume
from holystone.planner.names import repository
from holystone.usage.store_port import ImageFacts

_BUILTIN_NETWORKS = ("bridge", "host", "none", "podman", "ingress", "docker_gwbridge")
_ANONYMOUS = "com.docker.volume.anonymous"
_STARTING = 5.0
"""Seconds that Podman takes at most to note a start: by then a short command has ended."""
_NAMESPACES = ("NetworkMode", "IpcMode", "PidMode", "UTSMode", "UsernsMode", "CgroupMode")
"""Where a container says whose namespaces it uses: ``container:NAME``."""
_HEX = frozenset("0123456789abcdef")


def engine(info: Mapping[str, Any], version: str, api: tuple[int, int], *, podman: bool) -> Engine:
    """Which engine answered, from ``GET /info``."""
    status = {str(pair[0]): pair[1] for pair in info.get("DriverStatus") or () if len(pair) == 2}
    containerd = status.get("driver-type") == "io.containerd.snapshotter.v1"
    name, root = str(info.get("Name") or ""), str(info.get("DockerRootDir") or "")
    # Podman makes up another ID for each answer.
    given = "" if podman else str(info.get("ID") or "")
    return Engine(
        id=given or f"{name}:{root}",
        name=name,
        version=version,
        api_version=f"{api[0]}.{api[1]}",
        storage_driver=str(info.get("Driver") or ""),
        store="podman" if podman else "containerd" if containerd else "classic",
        root=root,
    )


def _is_hash(text: str) -> bool:
    return len(text) == 64 and _HEX.issuperset(text)


def full_id(text: object) -> str:
    """An image ID with its algorithm, which Podman leaves out in places; empty stays empty."""
    value = str(text or "")
    return f"sha256:{value}" if _is_hash(value) else value


def id_of(entry: Mapping[str, Any], key: str) -> str:
    """The ID of the object. Raises ValueError if it is empty."""
    value = entry[key]
    if not value or not isinstance(value, str):
        raise ValueError(f"{key} is {value!r}")
    return value


def _labels(entry: Mapping[str, Any]) -> Mapping[str, str]:
    """The object's labels. Raises ValueError or TypeError where they are no mapping."""
    return dict(entry.get("Labels") or {})


def image(entry: Mapping[str, Any]) -> Image:
    """An entry of ``GET /images/json``.

    On the containerd store and with Podman an image pulled by digest has that reference among its
    tags. Podman tells as its history which names it had.
    """
    names = [name for name in entry.get("RepoTags") or () if "<none>" not in name]
    pinned = [name for name in names if _is_digest(name)]
    digests = [*filter(_is_digest, entry.get("RepoDigests") or ()), *pinned]
    had = (str(name) for name in entry.get("History") or () if not _is_temporary(str(name)))
    manifests = entry.get("Manifests") or ()
    content = sum(int((each.get("Size") or {}).get("Content") or 0) for each in manifests)
    top = entry.get("Descriptor") or {}
    if any(kind in str(top.get("mediaType")) for kind in ("index", "manifest.list")):
        content += int(top.get("size") or 0)
    here = [each for each in manifests if each.get("Available") is not False]
    return Image(
        id=full_id(id_of(entry, "Id")),
        tags=tuple(name for name in names if "@" not in name),
        digests=tuple(dict.fromkeys(digests)),
        pinned=tuple(pinned),
        tagged_in=tuple(sorted({repository(name) for name in had if "@" not in name})),
        manifest=str(entry.get("Digest") or ""),
        parent=full_id(entry.get("ParentId")),
        created=float(entry.get("Created") or 0),
        size=int(entry.get("Size") or 0),
        labels=_labels(entry),
        content_size=content,
        platforms=tuple(dict.fromkeys(filter(None, map(_platform, here)))),
        artifact=bool(here) and all(map(_holds_no_image, here)),
    )


def _platform(manifest: Mapping[str, Any]) -> str:
    """The platform of a manifest that is an image's and is here; else empty."""
    if manifest.get("Kind") != "image" or not manifest.get("Available"):
        return ""
    told = (manifest.get("ImageData") or {}).get("Platform") or {}
    parts = [str(told.get(key) or "") for key in ("os", "architecture", "variant")]
    return "" if "unknown" in parts or not all(parts[:2]) else "/".join(filter(None, parts))


def _holds_no_image(manifest: Mapping[str, Any]) -> bool:
    """Whether nothing of a manifest is unpacked: its config is of no kind that an image has."""
    size = manifest.get("Size") or {}
    return manifest.get("Kind") == "unknown" and size.get("Total") == size.get("Content")


def odd_image(entry: Mapping[str, Any]) -> Image:
    """An entry of ``GET /images/json`` that makes no sense: its ID, and the names it may have."""
    size = entry.get("Size")
    return Image(
        id=full_id(id_of(entry, "Id")),
        tags=tuple(name for name in _strings(entry.get("RepoTags")) if "@" not in name),
        digests=tuple(filter(_is_digest, _strings(entry.get("RepoDigests")))),
        size=size if isinstance(size, int) else 0,
        exact=False,
        opaque=True,
        odd=True,
    )


def odd_container(entry: Mapping[str, Any]) -> Container:
    """An entry of ``GET /containers/json`` that makes no sense, as one that may be running."""
    container_id = id_of(entry, "Id")
    names = _strings(entry.get("Names"))
    return Container(
        id=container_id,
        name=names[0].lstrip("/") if names else container_id[:12],
        image_id=full_id(entry.get("ImageID")),
        image=str(entry.get("Image") or ""),
        state="unknown",
    )


def _strings(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def with_all_digests(listed: Image) -> Image:
    """An image of the containerd store, with a digest for every repository it has a tag in.

    There an image's ID is the digest it has in each of them. The list gives one of these alone
    (28.5), an inspection all.
    """
    here = [f"{tag.rpartition(':')[0]}@{listed.id}" for tag in listed.tags]
    return listed._replace(digests=tuple(dict.fromkeys((*listed.digests, *here))))


def references(told: Mapping[str, Any]) -> set[str]:
    """The tags and digests in ``GET /images/{id}/json``."""
    names = [*(told.get("RepoTags") or ()), *(told.get("RepoDigests") or ())]
    return {str(name) for name in names if "<none>" not in name}


def inspected_image(known: ImageFacts, told: Mapping[str, Any]) -> ImageFacts:
    """An image that was listed, with the facts of ``GET /images/{id}/json``.

    A build with ``SOURCE_DATE_EPOCH`` sets both the build date and, on the containerd store, the
    date of the tag to it: that date says nothing.
    """
    last_tagged = timestamp((told.get("Metadata") or {}).get("LastTagTime"))
    return known._replace(
        last_tagged=None if last_tagged == timestamp(told.get("Created")) else last_tagged,
        made_by_buildkit=str(told.get("Comment") or "").startswith("buildkit."),
        inspected=True,
        diff_ids=tuple(str(layer) for layer in (told.get("RootFS") or {}).get("Layers") or ()),
    )


def _is_temporary(name: str) -> bool:
    """Whether Podman gave an image this name while it built it for a manifest list."""
    digits = name.removeprefix("docker.io/library/").removesuffix("-tmp:latest")
    return name.endswith("-tmp:latest") and _is_hash(digits)


def _is_digest(name: str) -> bool:
    """True for ``repository@digest``; engines also write ``<none>@<none>`` and bare digests."""
    repository, at, _ = name.partition("@")
    return bool(at) and repository not in ("", "<none>")


def container(entry: Mapping[str, Any]) -> Container:
    """An entry of ``GET /containers/json``."""
    # A container linked to has names like "/other/alias" beside its own.
    names = sorted(map(str, entry.get("Names") or ()), key=lambda name: name.count("/"))
    return Container(
        id=id_of(entry, "Id"),
        name=names[0].lstrip("/") if names else str(entry["Id"])[:12],
        image_id=full_id(entry.get("ImageID")),
        image=str(entry.get("Image") or ""),
        state=str(entry.get("State") or "unknown").lower(),
        created=float(entry.get("Created") or 0),
        writable_size=max(0, int(entry.get("SizeRw") or 0)),
        labels=_labels(entry),
        volumes=tuple(
            str(mount.get("Name"))
            for mount in entry.get("Mounts") or ()
            if mount.get("Type") == "volume" and mount.get("Name")
        ),
        networks=tuple((entry.get("NetworkSettings") or {}).get("Networks") or {}),
    )


def inspected_container(listed: Container, told: Mapping[str, Any]) -> Container:
    """A container that was listed, with the facts of ``GET /containers/{id}/json``.

    Podman's own interface tells more in the same form: its pod, and what it depends on.
    """
    state, setup = told.get("State") or {}, told.get("HostConfig") or {}
    modes = [str(setup.get(mode) or "") for mode in _NAMESPACES]
    needs = [mode.partition(":")[2] for mode in modes if mode.startswith("container:")]
    # "name", "name:ro"; Docker's links are "/other:/this/alias".
    others = (*(setup.get("VolumesFrom") or ()), *(setup.get("Links") or ()))
    needs += [str(other).partition(":")[0].lstrip("/") for other in others]
    needs += map(str, told.get("Dependencies") or ())
    now = listed._replace(
        state=str(state.get("Status") or listed.state).lower(),
        started_from=str((told.get("Config") or {}).get("Image") or ""),
        restart=str((setup.get("RestartPolicy") or {}).get("Name") or ""),
        needs=tuple(dict.fromkeys(filter(None, needs))),
        pod=str(told.get("Pod") or ""),
        infra=bool(told.get("IsInfra")),
    )
    if not now.idle:
        return now
    began, ended = timestamp(state.get("StartedAt")), timestamp(state.get("FinishedAt"))
    if now.state == "created" and began is not None:
        # Podman 4 after a power cut: it ran, and nothing tells when it ended.
        now = now._replace(state="exited")
    if began is not None and ended is not None and ended < began - _STARTING:
        ended = None  # That was the end of an earlier run.
    return now._replace(
        finished=ended if now.stopped else None,
        exit_code=state.get("ExitCode"),
        writable_size=max(0, int(told.get("SizeRw") or 0)),
    )


def volume(entry: Mapping[str, Any]) -> Volume:
    """An entry of ``GET /volumes`` or of the volumes in ``GET /system/df``."""
    name, labels = id_of(entry, "Name"), _labels(entry)
    size = (entry.get("UsageData") or {}).get("Size")
    return Volume(
        name=name,
        driver=str(entry.get("Driver") or "local"),
        created=timestamp(entry.get("CreatedAt")) or 0.0,
        size=None if size is None or size < 0 else int(size),
        labels=labels,
        anonymous=_ANONYMOUS in labels or _is_hash(name),
    )


def network(entry: Mapping[str, Any]) -> Network:
    """An entry of ``GET /networks``."""
    name = str(entry.get("Name") or "")
    return Network(
        id=id_of(entry, "Id"),
        name=name,
        driver=str(entry.get("Driver") or ""),
        created=timestamp(entry.get("Created")) or 0.0,
        labels=_labels(entry),
        builtin=name in _BUILTIN_NETWORKS,
    )
