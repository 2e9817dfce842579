"""The OpenAPI document, made of the table of routes."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from holystone import __version__
from holystone.agent.web.access import OPEN, SAFE_METHODS
from holystone.agent.web.requests import Field
from holystone.agent.web.route import Route
from holystone.agent.web.schemas import SCHEMAS, ref
from holystone.present.document import Document

_ABOUT = (
    "The agent of holystone, which keeps the disk of a Docker host level. Over the unix socket the "
    "rights of the file decide; on loopback reading takes no token; elsewhere everything but "
    "/healthz takes one. What is not GET takes a token that may write, root, or the agent's user."
)
_ALWAYS = {
    400: "A parameter, or the request, is not right.",
    401: "It takes a token, or this one is not known.",
    403: "This token may not do that, or the request comes from another site.",
    421: "The header Host names another server.",
    429: "Too many wrong tokens.",
}
_WITH_BODY = {
    408: "The body did not come in time.",
    413: "The body is too large.",
    415: "The body is not said to be JSON.",
}


def document(routes: Sequence[Route]) -> Document:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "holystone agent",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route) -> Document:
    made: Document = {"operationId": route.name, "summary": route.doc}
    parameters = [_parameter(each, "path") for each in route.in_path]
    parameters += [_parameter(each, "query") for each in route.in_query]
    if parameters:
        made["parameters"] = parameters
    if route.in_body is not None:
        made["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _body(route.in_body)}},
        }
    made["responses"] = _responses(route)
    made["security"] = _security(route)
    return made


def _security(route: Route) -> list[Document]:
    if route.method not in SAFE_METHODS:
        return [{"token": []}]
    # On loopback and over the socket reading needs none.
    return [] if route.path == OPEN else [{}, {"token": []}]


def _parameter(field: Field, where: str) -> Document:
    schema = field.schema
    if isinstance(field.default, str | int) and not field.required:
        schema = schema | {"default": field.default}
    return {
        "name": field.name,
        "in": where,
        "required": field.required,
        "description": field.doc,
        "schema": schema,
    }


def _body(fields: Sequence[Field]) -> Document:
    return {
        "type": "object",
        "properties": {each.name: each.schema | {"description": each.doc} for each in fields},
        "required": [each.name for each in fields if each.required],
        "additionalProperties": False,
    }


def _responses(route: Route) -> Document:
    good: Document = {"description": HTTPStatus(route.status).phrase}
    schema = ref(route.schema) if route.schema else {"type": "string"}
    good["content"] = {media: {"schema": schema} for media in route.media}
    told = {str(route.status): good}
    refusals = dict(_ALWAYS)
    if route.in_body is not None:
        refusals |= _WITH_BODY
    refusals |= {500: "A fault of the agent; its log has it."} | dict(route.refusals)
    for status, why in sorted(refusals.items()):
        content = {"application/json": {"schema": ref("Error")}}
        told[str(status)] = {"description": why, "content": content}
    return told
