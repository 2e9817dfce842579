"""Containers and pods removed, unless one that stayed after all needs them."""

from __future__ import annotations

from contextlib import suppress

from holystone.engine.client import Client
from holystone.engine.delete import ask, delete
from holystone.engine.errors import EngineRefused
from holystone.engine.host import REMOVED, SKIPPED, Removal
from holystone.engine.inspecting import libpod
from holystone.engine.reading import is_gone
from holystone.engine.transport.http import Response
from holystone.planner.container_groups import POD
from holystone.planner.verdict import Step

_OK = 200
NEEDED = "a container that needs it stayed"


def remove_container(client: Client, step: Step) -> Removal:
    """Delete a container, and its pod where the step says so. Raises EngineRefused, NoAnswer.

    What needs it went before; where one of these is still there, it stays too.
    """
    answers = client.send(
        ("GET", client.versioned(f"/containers/{other}/json")) for other in step.after
    )
    if not all(map(is_gone, answers)):
        return Removal(SKIPPED, NEEDED)
    for target in step.targets:
        if not target.startswith(POD):
            delete(client, f"/containers/{target}")
        elif step.targets == (target,):
            return _remove_pod(client, step, target.removeprefix(POD))
        else:
            with suppress(EngineRefused):
                # Its last container is gone, so what is left of the pod is a name.
                _remove_pod(client, step, target.removeprefix(POD))
    return Removal(REMOVED)


def _remove_pod(client: Client, step: Step, pod: str) -> Removal:
    """Delete a pod with its infra container, unless it has others by now. Raises EngineRefused."""
    path = f"{libpod(client.negotiate())}/pods/{pod}"
    told = client.request("GET", f"{path}/json")
    members = (told.get("Containers") or ()) if isinstance(told, dict) else ()
    if any(str(each.get("Id")) != step.id for each in members if isinstance(each, dict)):
        return Removal(SKIPPED, "its pod has other containers by now")
    ask(client, path)
    return Removal(REMOVED)


def is_untouched(answer: Response) -> bool:
    """Whether a container is as it was, after Podman answered its removal with a fault.

    Podman answers 500 whatever its reason: that others depend on it, that it is the infra container
    of a pod, that it runs. It looks for these before it begins; from then on a container is
    ``removing`` (``libpod/runtime_ctr.go``, ``removeContainer``).
    """
    if answer.status != _OK:
        return False
    told = answer.json()
    state = told.get("State") if isinstance(told, dict) else None
    return isinstance(state, dict) and state.get("Status") not in ("removing", None)
