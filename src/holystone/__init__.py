"""Keeps a Docker host's disk in order: removes temporary objects, keeps what the next build needs.

``connect``, ``survey``, ``clean``, ``explain`` and ``observe`` are for programs; see
docs/reference/python.md.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from holystone.operations.clean import Cleaned, clean
    from holystone.operations.connect import Session, connect
    from holystone.operations.explain import Explained, explain
    from holystone.operations.observe import Observation, observe
    from holystone.operations.plan_file import saved
    from holystone.operations.survey import Survey, survey
    from holystone.operations.wishes import Wishes, policy_for

__all__ = (
    "Cleaned",
    "Explained",
    "Observation",
    "Session",
    "Survey",
    "Wishes",
    "__version__",
    "clean",
    "connect",
    "explain",
    "observe",
    "policy_for",
    "saved",
    "survey",
)

_PLACES = {
    "clean": ("Cleaned", "clean"),
    "connect": ("Session", "connect"),
    "explain": ("Explained", "explain"),
    "observe": ("Observation", "observe"),
    "plan_file": ("saved",),
    "survey": ("Survey", "survey"),
    "wishes": ("Wishes", "policy_for"),
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use: a command imports only what it runs."""
    for module, names in _PLACES.items():
        if name in names:
            from importlib import import_module

            return getattr(import_module(f"holystone.operations.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
