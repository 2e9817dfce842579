"""What a route is. Both the application and the OpenAPI document are made of a table of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from starlette.responses import Response

from holystone.agent.web.port import AgentPort
from holystone.agent.web.requests import Field
from holystone.present.document import Document


@dataclass(frozen=True, slots=True)
class Call:
    """A request that may be answered, and was read."""

    agent: AgentPort
    by: str
    """Who asks: the name of the token, or ``api``."""
    method: str
    values: Mapping[str, Any]
    """The parameters and the fields of the body, by name."""
    accept: str = ""
    """The header Accept."""


class Answer(NamedTuple):
    """An answer with more to it than a document."""

    document: Document
    status: int = 200
    headers: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Route:
    """One method at one path."""

    method: str
    path: str
    name: str
    """What OpenAPI calls it: ``operationId``."""
    doc: str
    answer: Callable[[Call], Document | Answer | Response]
    """Raises ApiError, and the errors of the operations."""
    schema: str = ""
    """The schema of the answer, by its name in ``schemas``; empty where it is no JSON."""
    status: int = 200
    """The status of an answer when all is well."""
    in_path: tuple[Field, ...] = ()
    in_query: tuple[Field, ...] = ()
    in_body: tuple[Field, ...] | None = None
    """None: it takes no body."""
    quick: bool = False
    """Whether it answers without work or waiting, and needs no thread."""
    alone: bool = False
    """Whether it may take minutes: then one at a time, and another one is refused."""
    refusals: Mapping[int, str] = field(default_factory=dict)
    """The errors of this route alone, by status."""
    media: tuple[str, ...] = ("application/json",)
