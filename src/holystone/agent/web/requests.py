"""Read a request strictly: what is unknown, given twice or of a wrong form is refused."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from holystone.agent.web.errors import ApiError
from holystone.outside.text import safe

LARGEST_BODY = 64 * 1024
BODY_SECONDS = 10.0
_LARGEST_NUMBER = 2**63 - 1
_SHOWN = 60
_OFFSET = re.compile(r"(Z|[+-]\d\d:\d\d)$")
Schema = dict[str, Any]


class Field(NamedTuple):
    """A parameter of the query, or a field of a body."""

    name: str
    schema: Schema
    """As OpenAPI describes it."""
    read: Callable[[Any], Any]
    """Its value. Raises ValueError with what is wanted instead."""
    doc: str
    required: bool = False
    default: Any = None


def choice(*names: str) -> tuple[Schema, Callable[[Any], Any]]:
    """One of these words."""

    def read(value: Any) -> Any:
        if not isinstance(value, str) or value not in names:
            raise ValueError(f"one of {', '.join(names)}")
        return value

    return {"type": "string", "enum": list(names)}, read


def whole(least: int, most: int = _LARGEST_NUMBER) -> tuple[Schema, Callable[[Any], Any]]:
    """A whole number: digits in a query, a number in a body."""

    def read(value: Any) -> int:
        wanted = f"a whole number from {least} to {most}"
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            value = int(value)
        elif isinstance(value, str):
            raise ValueError(wanted)
        # JSON has one kind of number: 3.0 is 3.
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(wanted)
        return value

    return {"type": "integer", "minimum": least, "maximum": most}, read


def moment() -> tuple[Schema, Callable[[Any], Any]]:
    """A time, as RFC 3339 has it; UTC seconds when read. Nothing here is older than 1970."""

    def read(value: Any) -> float:
        wanted = "a time like 2026-11-20T14:00:00Z"
        if not isinstance(value, str) or len(value) > 40 or "T" not in value.upper():
            raise ValueError(wanted)
        # A plus that was not encoded comes as a space.
        text = value.replace(" ", "+").upper()
        if not _OFFSET.search(text):
            raise ValueError(wanted)
        try:
            return max(0.0, datetime.fromisoformat(text).timestamp())
        except (ValueError, OverflowError):
            raise ValueError(wanted) from None

    return {"type": "string", "format": "date-time"}, read


def names(longest: int) -> tuple[Schema, Callable[[Any], Any]]:
    """Names with commas between them."""
    schema, read_text = text(longest)

    def read(value: Any) -> tuple[str, ...]:
        found = tuple(read_text(value).split(","))
        if not all(found):
            raise ValueError("names with a comma between them, and none of them empty")
        return found

    pattern = r"^[^\u0000,]+(,[^\u0000,]+)*$"
    return schema | {"minLength": 1, "pattern": pattern}, read


def text(longest: int) -> tuple[Schema, Callable[[Any], Any]]:
    """Text that can be stored."""

    def read(value: Any) -> Any:
        wanted = f"text of at most {longest} characters, none of them NUL or half a character"
        if not isinstance(value, str) or len(value) > longest or "\0" in value:
            raise ValueError(wanted)
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ValueError(wanted)
        return value

    # What a lone surrogate is JSON Schema cannot say.
    return {"type": "string", "maxLength": longest, "pattern": r"^[^\u0000]*$"}, read


def texts(least: int, most: int, longest: int) -> tuple[Schema, Callable[[Any], Any]]:
    """A list of texts."""
    item, read_one = text(longest)

    def read(value: Any) -> Sequence[Any]:
        wanted = f"a list of {least} to {most} texts of 1 to {longest} characters"
        if not isinstance(value, list) or not least <= len(value) <= most or "" in value:
            raise ValueError(wanted)
        try:
            return [read_one(each) for each in value]
        except ValueError:
            raise ValueError(wanted) from None

    items = item | {"minLength": 1}
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}, read


def query(request: Request, fields: Sequence[Field]) -> dict[str, Any]:
    """The parameters of a request. Raises ApiError."""
    raw = request.scope["query_string"].decode("latin-1")
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, strict_parsing=bool(raw), errors="strict")
    except ValueError:
        raise _bad("the query is not of the form name=value&name=value, in UTF-8") from None
    given: dict[str, Any] = {}
    for name, value in pairs:
        if name in given:
            raise _bad(f"{_named(name)} is given twice")
        given[name] = value
    return _values(given, fields, "parameter")


def path(request: Request, fields: Sequence[Field]) -> dict[str, Any]:
    """The parameters in the path. Raises ApiError: what has a wrong form is not there."""
    values = {}
    for field in fields:
        try:
            values[field.name] = field.read(request.path_params[field.name])
        except ValueError as error:
            message = f"there is nothing at this path: {field.name} is {error}"
            raise ApiError(404, "not_found", message) from None
    return values


async def body(request: Request, fields: Sequence[Field]) -> dict[str, Any]:
    """The fields of a JSON body. Raises ApiError."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        mend = "Send JSON with the header Content-Type: application/json."
        raise ApiError(415, "not_json", "the body is not said to be JSON", mend)
    content = await _content(request)
    try:
        given = json.loads(content, object_pairs_hook=_object, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, ApiValue) else "the body is not valid JSON"
        raise _bad(why) from None
    if not isinstance(given, dict):
        raise _bad("the body is not a JSON object")
    return _values(given, fields, "field")


class ApiValue(ValueError):
    """JSON that says something twice, or what is no number."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ApiValue("the body has the same field twice")
    return found


def _no_constant(name: str) -> Any:
    raise ApiValue(f"the body has {name}, which is no number of JSON")


async def _content(request: Request) -> bytes:
    """The body, of at most so many bytes, which come within a time. Raises ApiError."""
    large = ApiError(413, "too_large", f"the body is larger than {LARGEST_BODY} bytes")
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > LARGEST_BODY:
        raise large
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                content += part
                if len(content) > LARGEST_BODY:
                    raise large
    except TimeoutError:
        raise ApiError(408, "too_slow", "the body did not come in time") from None
    except ClientDisconnect:
        raise ApiError(400, "bad_request", "the body ended early") from None
    return bytes(content)


def _values(given: Mapping[str, Any], fields: Sequence[Field], what: str) -> dict[str, Any]:
    known = {field.name for field in fields}
    for name in given:
        if name not in known:
            may = f"Known: {', '.join(sorted(known))}." if known else f"It takes no {what}."
            raise _bad(f"there is no {what} {_named(name)}", may)
    values = {}
    for field in fields:
        values[field.name] = field.default
        if field.name not in given:
            if field.required:
                raise _bad(f"the {what} {field.name} is missing", field.doc)
            continue
        try:
            values[field.name] = field.read(given[field.name])
        except ValueError as error:
            raise _bad(f"{field.name} must be {error}", field.doc) from None
    return values


def _named(name: str) -> str:
    return repr(safe(name, _SHOWN))


def _bad(message: str, mend: str = "") -> ApiError:
    return ApiError(400, "bad_request", message, mend)
