"""The objects on a host at one moment: immutable records; sizes in bytes, times in UTC seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Layer(NamedTuple):
    """One layer of an image, named by its chain ID.

    The chain ID stands for the layer on top of all layers below it (OCI image specification,
    "Layer ChainID"): two images hold the same layer exactly when the chain IDs are equal.
    """

    chain_id: str
    size: int


class Blob(NamedTuple):
    """A piece of compressed content: a layer, a config or a manifest, named by its digest."""

    digest: str
    size: int


class Image(NamedTuple):
    """An image as the engine lists it, tagged or not, intermediate ones included."""

    id: str
    tags: tuple[str, ...] = ()
    """References with a tag, as the engine writes them: ``python:3.12-slim``."""
    digests: tuple[str, ...] = ()
    """References with a digest: ``python@sha256:…``. A registry can give these back."""
    pinned: tuple[str, ...] = ()
    """Those of ``digests`` that somebody asked for, as far as the engine, its events or a container
    tell. See ``digest_names``."""
    tagged_in: tuple[str, ...] = ()
    """Repositories in which it once had a tag, as far as that is remembered."""
    in_lists: tuple[str, ...] = ()
    """The named manifest lists here that refer to it (Podman)."""
    manifest: str = ""
    """The digest of its manifest, where the engine lists it (Podman)."""
    parent: str = ""
    """Image ID of the step before, where the classic builder made the image; else empty."""
    created: float = 0.0
    """Build date. Says nothing about when the image arrived here."""
    size: int = 0
    """The engine's own figure, shared layers included."""
    labels: Mapping[str, str] = {}
    layers: tuple[Layer, ...] | None = None
    """Bottom first; None where they were not asked for or could not be told."""
    layer_dates: tuple[float | None, ...] = ()
    """When the steps that made its layers ran, bottom first; empty where that was not asked for."""
    content_size: int = 0
    """Compressed bytes kept beside the unpacked layers (containerd image store only)."""
    blobs: tuple[Blob, ...] | None = None
    """What ``content_size`` is made of; None where only the sum is known."""
    metadata_size: int = 0
    """Bytes that are this image's alone, beside its layers (Podman)."""
    exact: bool = True
    """False where the sizes of its layers could not be told for certain, or not at all."""
    last_tagged: float | None = None
    """When a tag was last put on it; None where the engine never saw one or was not asked."""
    arrived: float | None = None
    """When it last came here, by a pull, load, import or build; None where nothing tells."""
    loaded: bool = False
    """Whether it came from an archive, and has had no tag since, as far as is known."""
    made_by_buildkit: bool = False
    in_registry: bool | None = None
    """Whether a registry says that it has the image; None where none was asked or answered."""
    registry_said: str = ""
    """Why ``in_registry`` is not True, in words; empty where no registry was asked."""
    platforms: tuple[str, ...] = ()
    """Its platforms that are here: ``linux/arm64``. Empty where the engine does not tell."""
    other_layers: tuple[Layer, ...] = ()
    """Those of its other platforms, apart from ``layers``."""
    artifact: bool = False
    """Whether it is an OCI artifact (a Helm chart, a model), of which nothing is unpacked."""
    opaque: bool = False
    """Whether its layers were requested and the engine could not report them."""
    odd: bool = False
    """Whether the engine's entry for it makes no sense: all but the ID may be wrong."""
    registry_asked: float | None = None
    """When the registry said so; None where none was asked."""
    from_registry: bool | None = None
    """Whether a registry that its digests name is known to have had it: it answered so once, or a
    pull or a push showed it. False where its last word was that it lacks it; None where nothing
    is remembered."""

    @property
    def held(self) -> tuple[Layer, ...]:
        """The layers it holds, those of all its platforms; none where they are not known."""
        return (self.layers or ()) + self.other_layers


class Container(NamedTuple):
    """A container in any state."""

    id: str
    name: str
    image_id: str
    image: str
    """The reference it was started from."""
    state: str
    """``created running paused restarting removing exited dead``, and Podman's own words."""
    created: float = 0.0
    finished: float | None = None
    """When it stopped; None where it runs, never ran, or the engine was not asked."""
    exit_code: int | None = None
    writable_size: int = 0
    """Bytes of its writable layer: what it takes on the disk where that was measured, else
    ``SizeRw``."""
    labels: Mapping[str, str] = {}
    volumes: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    started_from: str = ""
    """The reference it was made with, which may mean another image now; empty if not asked."""
    restart: str = ""
    """Its restart policy: ``no always unless-stopped on-failure``; empty where it was not asked."""
    needs: tuple[str, ...] = ()
    """The containers it names, by name, ID or the beginning of one: those whose network, IPC or PID
    namespace or volumes it uses, and those it is linked to."""
    pod: str = ""
    """The ID of its pod (Podman)."""
    infra: bool = False
    """Whether it is the infra container of its pod, which holds the namespaces of the others."""
    pod_name: str = ""
    """The name of its pod; empty where the engine was not asked, or did not answer."""
    writable_at_least: int | None = None
    """Bytes of ``writable_size`` that come free for certain; None where all of them do.

    The engine adds up the lengths of files; a file with holes in it takes less of the disk."""
    writable_claimed: int = 0
    """``SizeRw`` where the disk was measured and holds less; else 0."""
    log_size: int = 0
    """Bytes of its log files, which go with it; 0 where it runs, they are few or not in sight."""

    @property
    def freed_bytes(self) -> int:
        """What comes free with it: its writable layer and its log."""
        return self.writable_size + self.log_size

    @property
    def stopped(self) -> bool:
        """True where it ran and has ended, so that nothing of it is in use."""
        return self.state in ("exited", "dead", "stopped")

    @property
    def idle(self) -> bool:
        """True where it has ended or was never started."""
        return self.stopped or self.state == "created"


class Volume(NamedTuple):
    """A volume. Its size is None until the engine is asked to walk it."""

    name: str
    driver: str = "local"
    created: float = 0.0
    size: int | None = None
    labels: Mapping[str, str] = {}
    anonymous: bool = False
    at_least: int | None = None
    """Bytes of ``size`` that come free for certain; None where all of them do."""


class Network(NamedTuple):
    """A network. ``builtin`` ones belong to the engine."""

    id: str
    name: str
    driver: str = "bridge"
    created: float = 0.0
    labels: Mapping[str, str] = {}
    builtin: bool = False


class CacheRecord(NamedTuple):
    """A build cache record: a node in BuildKit's tree of results."""

    id: str
    parents: tuple[str, ...] = ()
    type: str = "regular"
    """``regular source.local source.git.checkout exec.cachemount frontend internal``."""
    description: str = ""
    size: int = 0
    created: float = 0.0
    last_used: float | None = None
    usage_count: int = 0
    in_use: bool = False
    shared: bool = False
    """True where an image holds the same bytes too (on the containerd store: some of them)."""
    layer: str = ""
    """Chain ID of the layer it holds, where the engine's files tell; else that is inferred."""
    size_at_most: int | None = None
    """The bytes of its layer by the engine's own files, where the engine tells a size of 0; they
    are more than ``size`` where something else may hold the layer too. None where ``size`` is what
    the engine tells."""

    @property
    def latest(self) -> float:
        """When it was last used, or made where no use is known; 0.0 where nothing tells."""
        return self.created if self.last_used is None else self.last_used

    @property
    def sign(self) -> str:
        """What ``latest`` is the time of."""
        return "made" if self.last_used is None else "last used"


class Builder(NamedTuple):
    """A builder outside the engine: BuildKit in a container, with a volume for what it keeps."""

    name: str
    """Of its node, as in the names of its container and volume: ``x0`` for ``buildx_buildkit_x0``.
    """
    volume: str
    container: str = ""
    """The ID of its container; empty where there is none."""
    records: tuple[CacheRecord, ...] | None = None
    """What BuildKit says it keeps; None where it was not asked, or did not answer. Their IDs, and
    those of their parents, begin with the name of the builder: ``x0/ysb5kx…``."""
    problem: str = ""
    """Why ``records`` cannot be told, in words; empty where they are, or were not asked for."""


class Disk(NamedTuple):
    """The file system under the engine's data; unknown (None) where that is not in sight.

    ``total_bytes`` leaves out what is reserved for root, as the percentages of df do.
    """

    total_bytes: int | None = None
    free_bytes: int | None = None
    total_inodes: int | None = None
    """None also where the file system makes them as needed."""
    free_inodes: int | None = None
    folder: str = ""
    """The engine's data folder on this machine, proved to be this engine's; empty where it is not
    in sight."""
    unseen: str = ""
    """Why it is not in sight, in words; empty where it is."""
    images: str = ""
    """The folder that was measured, where the images are on another disk than ``folder``."""


class Engine(NamedTuple):
    """Which engine answered."""

    id: str
    """The engine's own identity; machines that were made from one template share it."""
    name: str
    version: str
    api_version: str
    storage_driver: str
    store: str = "classic"
    """``classic`` (graph drivers), ``containerd`` (image store) or ``podman``."""
    root: str = ""
    """The engine's data folder, as the engine names it."""
    host: str = ""
    """The UUID that the ledger gave its host; empty where it gave none."""

    @property
    def key(self) -> str:
        """By what the ledger keeps what it knows of this engine: its host and its image store."""
        return f"{self.host or self.id}/{self.store}"

    @property
    def lock(self) -> str:
        """What the lock of its host is named after. A lock must not depend on the ledger."""
        return f"{self.id}/{self.name}/{self.store}"


class Note(NamedTuple):
    """Something the engine did not tell, or told in a way that makes no sense."""

    problem: str
    """``layers inspection entry usage builder``; ``present.notes`` puts it into words."""
    kind: str
    """The kind of the object it is about, as in ``decision.KINDS``."""
    id: str = ""
    name: str = ""
    said: str = ""
    """The engine's answer, shortened."""


class Inventory(NamedTuple):
    """Everything a plan is made from, seen at ``taken_at``."""

    engine: Engine
    taken_at: float
    images: tuple[Image, ...] = ()
    containers: tuple[Container, ...] = ()
    cache: tuple[CacheRecord, ...] = ()
    volumes: tuple[Volume, ...] = ()
    networks: tuple[Network, ...] = ()
    disk: Disk = Disk()
    notes: tuple[Note, ...] = ()
    partial: bool = False
    """Whether tagged images may be missing among ``images``, since none of them can go."""
    image_count: int | None = None
    """How many images the engine counts in all, where ``partial``; on the containerd store how many
    names of images. None where it does not say."""
    builders: tuple[Builder, ...] = ()
    """The builders outside the engine that were asked for; see ``Host.ask_builders``."""


def chain_ids(diff_ids: Sequence[str]) -> list[str]:
    """Chain IDs of a stack of layers, bottom first, from their diff IDs (OCI image spec)."""
    from hashlib import sha256  # Loads OpenSSL, and only new images need it.

    chained: list[str] = []
    for diff_id in diff_ids:
        if chained:
            digest = sha256(f"{chained[-1]} {diff_id}".encode()).hexdigest()
            chained.append(f"sha256:{digest}")
        else:
            chained.append(diff_id)
    return chained
