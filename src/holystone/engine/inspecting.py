"""What only an inspection tells of containers: when one ended, what it needs, its pod."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from holystone.engine import parse
from holystone.engine.client import Client, Version
from holystone.engine.errors import EngineRefused, SenselessAnswer
from holystone.engine.reading import NOT_FOUND, is_gone, read_one, trouble
from holystone.engine.storage.container_files import weighed
from holystone.engine.transport.http import Response
from holystone.planner.inventory import Container, Note

_OK = 200


def inspect_containers(
    client: Client, containers: Iterable[Container], root: str = "", store: str = "classic"
) -> tuple[tuple[Container, ...], list[Note]]:
    """The containers with when and how they ended, what they wrote, and what they need.

    The others are asked only where one is idle, since any of them may need it; nobody is asked for
    the bytes that a running one wrote, which costs the engine a walk over its files. One that was
    removed in the meantime is left out; one that the engine fails to inspect (dead, its files lost)
    stays as it was listed, with a note. Where the engine's data folder, ``root``, is in sight, what
    an idle one wrote is measured there.
    """
    listed = list(containers)
    notes: list[Note] = []
    if not any(container.idle for container in listed):
        return tuple(listed), notes
    found = []
    for container, answer in zip(listed, _ask(client, listed), strict=True):
        if is_gone(answer):
            continue
        try:
            learn = partial(_inspected, container, root, store)
            found.append(read_one(dict, answer, learn))
        except (EngineRefused, SenselessAnswer) as error:
            said = trouble(answer, error)
            notes.append(Note("inspection", "container", container.id, container.name, said))
            found.append(container)
    return _with_pod_names(client, found), notes


def _inspected(listed: Container, root: str, store: str, told: Mapping[str, Any]) -> Container:
    container = parse.inspected_container(listed, told)
    return weighed(container, told, root, store) if listed.idle else container


def _with_pod_names(client: Client, containers: Sequence[Container]) -> tuple[Container, ...]:
    """The containers with the names of their pods, where the engine tells these."""
    if not any(container.pod for container in containers):
        return tuple(containers)
    (answer,) = client.send([("GET", f"{libpod(client.negotiate())}/pods/json")])
    try:
        names = read_one(list, answer, _pod_names)
    except (EngineRefused, SenselessAnswer):
        return tuple(containers)  # A proxy may not pass it on; the ID names a pod as well.
    return tuple(each._replace(pod_name=names.get(each.pod, "")) for each in containers)


def _pod_names(listed: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {str(pod["Id"]): str(pod["Name"]) for pod in listed}


def _ask(client: Client, containers: Sequence[Container]) -> list[Response]:
    version = client.negotiate()
    if not version.podman:
        return client.send(("GET", client.versioned(_path(each, "1"))) for each in containers)
    # Podman tells pods and dependencies in its own interface alone, which a proxy may not pass on.
    own = libpod(version)
    answers = client.send(("GET", f"{own}{_path(each, 'true')}") for each in containers)
    refused = [at for at, answer in enumerate(answers) if _OK < answer.status < NOT_FOUND]
    paths = [("GET", client.versioned(_path(containers[at], "1"))) for at in refused]
    for at, answer in zip(refused, client.send(paths) if paths else (), strict=True):
        answers[at] = answer
    return answers


def libpod(version: Version) -> str:
    """Where Podman's own interface begins: it takes its own version, and some older ones."""
    number = "".join(c if c in "0123456789." else " " for c in version.engine).split(" ")[0]
    return f"/v{number or '4.0.0'}/libpod"


def _path(container: Container, yes: str) -> str:
    return f"/containers/{container.id}/json" + (f"?size={yes}" if container.idle else "")
