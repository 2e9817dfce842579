"""What went wrong with a request, as JSON: ``{"error": {"code", "message", "mend"}}``."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from holystone.operations.errors import (
    AgentEnds,
    EngineError,
    LockHeld,
    NotThere,
    OperationError,
    RequestError,
    StoreError,
)
from holystone.operations.restore import RestoreError
from holystone.outside.text import safe
from holystone.present.document import Document, dump


class ApiError(Exception):
    """The request is refused. ``code`` is for programs and never changes."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        mend: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.mend = mend
        self.headers = headers or {}

    def response(self) -> Response:
        """The answer."""
        told = {"code": self.code, "message": safe(self.message), "mend": safe(self.mend) or None}
        return json_response({"error": told}, self.status, self.headers)


def json_response(
    document: Document, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A document as the command line writes it: one line of ASCII."""
    return Response(
        f"{dump(document)}\n", status, dict(headers or {}), media_type="application/json"
    )


def refused(error: Exception) -> ApiError | None:
    """The answer to an error that says what to do; None where it is a fault of the agent."""
    if isinstance(error, ApiError):
        return error
    said = str(error)
    if isinstance(error, RestoreError | NotThere):
        return ApiError(404, "not_found", said)
    if isinstance(error, RequestError):
        return ApiError(400, "bad_request", said)
    if isinstance(error, LockHeld):
        return ApiError(409, "busy", said)
    if isinstance(error, AgentEnds):
        return ApiError(503, "ending", said)
    if isinstance(error, OperationError):
        return ApiError(409, "refused", said)
    if isinstance(error, StoreError):
        return ApiError(503, "ledger", said)
    if isinstance(error, EngineError):
        return ApiError(503, "engine", said)
    return None
