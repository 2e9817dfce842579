"""The application: the routes of the table behind the gate, as starlette serves them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from email.utils import formatdate
from typing import Any, TypeVar, cast

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holystone.agent.logs import log
from holystone.agent.web import openapi, reading, requests
from holystone.agent.web.access import Access, Failures
from holystone.agent.web.errors import ApiError, json_response, refused
from holystone.agent.web.events import MEDIA, Streams
from holystone.agent.web.port import AgentPort
from holystone.agent.web.route import Answer, Call, Route
from holystone.agent.web.routes import API, ROUTES
from holystone.agent.web.tokens import Tokens
from holystone.present.document import Document

T = TypeVar("T")

_THREADS = 4
"""How many requests work at a time; the others wait."""
_SECURE = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_FAULT = ApiError(500, "internal", "a fault of the agent", "Its log says more.")


def make_app(
    agent: AgentPort,
    tokens: Tokens,
    *,
    streams: Streams | None = None,
    failures: Failures | None = None,
) -> Starlette:
    """The application; ``Server`` serves it.

    ``streams`` of events and ``failures`` of tokens have times of their own, which a test sets.
    """
    nobody = Call(agent, "", "GET", {})
    streams = streams or Streams(agent.state, lambda: reading.brief(nobody))
    by_path: dict[str, dict[str, Route]] = {}
    for route in (*ROUTES, *_own(streams)):
        by_path.setdefault(route.path, {})[route.method] = route
    work = _Work()
    made = Starlette(
        routes=[
            Path(path, _endpoint(agent, methods, work), methods=list(methods))
            for path, methods in by_path.items()
        ],
        middleware=[Middleware(_Gate, access=Access(tokens, failures or Failures()))],
        exception_handlers={HTTPException: _no_route},
    )
    made.router.redirect_slashes = False
    made.state.streams = streams
    return made


def _own(streams: Streams) -> tuple[Route, ...]:
    """The routes that need the application itself."""
    events = Route(
        "GET",
        f"{API}/events",
        "events",
        "Server-sent events: an event `state` at once and after each change. Its data is that of "
        "`/status` without `host`.",
        lambda call: streams.answer(call.method),
        media=(MEDIA,),
        quick=True,
        refusals={503: "Too many streams are open."},
    )
    described = Route(
        "GET",
        f"{API}/openapi.json",
        "openapi",
        "This document.",
        lambda _: openapi.document((*ROUTES, events, described)),
        "OpenApi",
        quick=True,
    )
    return events, described


class _Work:
    """Runs what takes a while in threads, so that the others are still answered."""

    def __init__(self) -> None:
        self.few = asyncio.Semaphore(_THREADS)
        self.one = asyncio.Lock()

    async def run(self, route: Route, call: Call) -> Answer | Response | Document:
        """What the route answers. Raises what it raises, and ApiError where it is busy."""
        if not route.alone:
            async with self.few:
                return await _in_thread(lambda: route.answer(call))
        if self.one.locked():
            raise ApiError(409, "busy", "another request of this kind is under way")
        async with self.one:
            return await _in_thread(lambda: route.answer(call))


async def _in_thread(function: Callable[[], T]) -> T:
    """What a function returns in a thread that does not hold up the end of the process."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(cast("T", result))

    def work() -> None:
        result, error = None, None
        try:
            result = function()
        except BaseException as fault:  # noqa: BLE001 - it is raised where it is waited for
            error = fault
        with suppress(RuntimeError):  # The loop has ended, and nobody waits.
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, name="web-work", daemon=True).start()
    return await future


def _endpoint(
    agent: AgentPort, methods: Mapping[str, Route], work: _Work
) -> Callable[[Request], Awaitable[Response]]:
    """What answers the requests for one path."""

    async def answer(request: Request) -> Response:
        route = methods["GET" if request.method == "HEAD" else request.method]
        try:
            values, accept = await _values(request, route), request.headers.get("accept", "")
            call = Call(agent, request.state.by, request.method, values, accept)
            made = route.answer(call) if route.quick else await work.run(route, call)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            refusal = refused(error)
            if refusal is None:
                log.exception("cannot answer a request", method=route.method, path=route.path)
            return (refusal or _FAULT).response()
        if isinstance(made, Response):
            return made
        if not isinstance(made, Answer):
            made = Answer(made, route.status)
        return json_response(made.document, made.status, made.headers)

    return answer


async def _values(request: Request, route: Route) -> dict[str, Any]:
    """Everything that the request says. Raises ApiError."""
    values = requests.path(request, route.in_path) | requests.query(request, route.in_query)
    if route.in_body is not None:
        values |= await requests.body(request, route.in_body)
    return values


class _Gate:
    """Lets a request in that may do what it asks, and gives every answer its headers."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app = app
        self.access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in {**_SECURE, "Date": formatdate(usegmt=True)}.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            scope.setdefault("state", {})["by"] = self.access.check(scope)
        except ApiError as error:
            await error.response()(scope, receive, sent)
            return
        await self.app(scope, receive, sent)


async def _no_route(_: Request, error: Exception) -> Response:
    """The answer where there is no such path, or the path does not have this method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = (error.headers if isinstance(error, HTTPException) else None) or {}
    if status == 405:
        mend = f"It takes {headers.get('Allow', 'other methods')}."
        return ApiError(
            405, "method", "this path does not take the method", mend, headers
        ).response()
    mend = f"GET {API}/openapi.json describes what there is."
    return ApiError(status, "not_found", "there is nothing at this path", mend, headers).response()
