"""The containers that tools keep for themselves and start again: one table, each row with a source.

A stopped one is still needed: it is a cluster, a development environment or a warm builder that its
owner turned off. ``docs/reference/kept-containers.md`` shows the table.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from holystone.planner import patterns
from holystone.planner.glob import of_text
from holystone.planner.patterns import covers
from holystone.planner.reference import parsed_or_none


class Kept(NamedTuple):
    """One tool, and how its containers are recognised."""

    name: str
    labels: tuple[str, ...] = ()
    """Labels the tool puts on its containers: ``key`` or ``key=value`` with wildcards."""
    names: tuple[str, ...] = ()
    """Names it gives them, with ``*`` and ``?``, where it puts no label on them."""
    images: tuple[str, ...] = ()
    """Patterns of the images it makes them from; with ``names`` both must match."""
    what: str = ""
    """What such a container is."""
    source: str = ""
    """Where that is written."""
    of_images: bool = False
    """Whether its images have the same labels: then a label says as much where it comes from the
    image."""


TABLE: tuple[Kept, ...] = (
    Kept(
        "kind",
        labels=("io.x-k8s.kind.cluster", "io.k8s.sigs.kind.cluster"),
        what="a node of a Kubernetes cluster",
        source="https://github.com/kubernetes-sigs/kind/blob/main/pkg/cluster/internal/providers/"
        "docker/constants.go",
    ),
    Kept(
        "minikube",
        labels=("created_by.minikube.sigs.k8s.io=true",),
        what="a node of a Kubernetes cluster",
        source="https://github.com/kubernetes/minikube/blob/master/pkg/drivers/kic/oci/types.go",
    ),
    Kept(
        "k3d",
        labels=("app=k3d", "k3d.cluster"),
        what="a node, load balancer or registry of a Kubernetes cluster",
        source="https://github.com/k3d-io/k3d/blob/main/pkg/types/types.go",
    ),
    Kept(
        "talos",
        labels=("talos.cluster.name",),
        what="a node of a Kubernetes cluster",
        source="https://github.com/siderolabs/talos/blob/main/pkg/provision/providers/docker/node.go",
    ),
    Kept(
        "ctlptl",
        labels=("dev.tilt.ctlptl.role",),
        what="the registry of a development cluster",
        source="https://github.com/tilt-dev/ctlptl/blob/main/internal/dctr/labels.go",
    ),
    Kept(
        "rke",
        labels=("io.rancher.rke.container.name",),
        what="a part of a Kubernetes node",
        source="https://github.com/rancher/rke/blob/release/v1.8/services/services.go",
    ),
    Kept(
        "devcontainer",
        labels=(
            "devcontainer.local_folder",
            "devcontainer.config_file",
            "dev.containers.id",
            "vsch.local.folder",
            "vsch.local.repository.volume",
        ),
        what="a development environment",
        source="https://github.com/devcontainers/cli/blob/main/src/spec-node/singleContainer.ts",
    ),
    Kept(
        "distrobox",
        labels=("manager=distrobox",),
        what="a development environment",
        source="https://github.com/89luca89/distrobox/blob/main/distrobox-create",
    ),
    Kept(
        "toolbox",
        labels=("com.github.containers.toolbox=true", "com.github.debarshiray.toolbox=true"),
        what="a development environment",
        source="https://github.com/containers/toolbox/blob/main/src/cmd/create.go",
        of_images=True,
    ),
    Kept(
        "testcontainers-reuse",
        labels=(
            "org.testcontainers.hash",
            "org.testcontainers.container-hash",
            "org.testcontainers.reuse-hash",
        ),
        what="a service that later test runs use again",
        source="https://java.testcontainers.org/features/reuse/",
    ),
    Kept(
        "buildx",
        names=("buildx_buildkit_*",),
        what="a builder",
        source="https://github.com/docker/buildx/blob/master/driver/docker-container/factory.go",
    ),
    Kept(
        "ollama",
        names=("ollama", "open-webui"),
        what="a model server, whose models are in the container unless it has a volume",
        source="https://docs.ollama.com/docker",
    ),
    Kept(
        "model-server",
        images=(
            "ollama/ollama",
            "localai/localai",
            "quay.io/go-skynet/local-ai",
            "ghcr.io/open-webui/open-webui",
            "ghcr.io/ggml-org/llama.cpp",
            "vllm/vllm-openai",
            "ghcr.io/huggingface/text-generation-inference",
        ),
        what="a model server, whose models are in the container unless it has a volume",
        source="https://localai.io/installation/docker/",
    ),
    Kept(
        "jupyter",
        images=("jupyter/*", "quay.io/jupyter/*"),
        what="a notebook server, whose notebooks are in the container unless it has a volume",
        source="https://jupyter-docker-stacks.readthedocs.io/en/latest/using/running.html",
    ),
)
"""Asked in this order."""


class KeptContainers:
    """The rows of the table that count, and those an owner adds as ``containers.tools``."""

    def __init__(self, more: Sequence[str], off: Collection[str]) -> None:
        """``more`` are ``label=KEY=VALUE``, ``name=PATTERN`` or ``image=PATTERN``."""
        self.rows = tuple(row for row in TABLE if row.name not in off)
        self.more = more
        told = [text.partition("=") for text in more]
        kinds = [by if by in ("label", "name") else "image" for by, _, _ in told]
        self.places = {
            kind: [at for at, each in enumerate(kinds) if each == kind]
            for kind in ("label", "name", "image")
        }
        """The places of the owner's rows of each kind."""
        self.texts = {kind: tuple(told[at][2] for at in ats) for kind, ats in self.places.items()}

    def by(
        self,
        *,
        name: str,
        labels: Mapping[str, str],
        of_image: Mapping[str, str],
        references: Collection[str],
    ) -> Kept | None:
        """The first row that a container matches, or None.

        ``references`` are those of its image. A label that it has from its image (``of_image``)
        says nothing, unless the row says otherwise.
        """
        own = {key: value for key, value in labels.items() if of_image.get(key) != value}
        for row in self.rows:
            if patterns.labels(row.labels).first(labels if row.of_images else own):
                return row
            if row.names and not any(of_text(each).matches(name) for each in row.names):
                continue
            if row.images and not any(covers(row.images, each) for each in references):
                continue
            if row.names or row.images:
                return row
        return self._added(name, labels, references) if self.more else None

    def _added(
        self, name: str, labels: Mapping[str, str], references: Collection[str]
    ) -> Kept | None:
        """The first row of the owner that a container matches, or None."""
        parsed = [found for each in references if (found := parsed_or_none(each))]
        images = patterns.references(self.texts["image"])
        matching = {
            "label": patterns.labels(self.texts["label"]).matching(labels),
            "name": patterns.names(self.texts["name"]).matching(name),
            "image": [at for each in parsed for at in images.matching(each)],
        }
        places = [self.places[kind][at] for kind, found in matching.items() for at in found]
        return Kept(self.more[min(places)], what="named in containers.tools") if places else None
