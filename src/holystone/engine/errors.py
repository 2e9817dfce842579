"""The errors of talking to an engine. Each message says what was tried and the fix."""

from __future__ import annotations

from holystone.outside.text import safe, words_of


class EngineError(Exception):
    """The engine could not be asked, or gave no usable answer."""

    def __init__(self, message: object) -> None:
        """The message may have words of the engine in it, and is made safe."""
        super().__init__(safe(str(message)))


class EndpointError(EngineError):
    """The engine's address is unknown: a bad host URL, an unknown context."""


class EngineUnreachable(EngineError):
    """Nothing that speaks the Docker Engine API answers at the endpoint."""


class EngineUnsupported(EngineError):
    """The engine's API is too old or too new for holystone."""


class ProtocolError(EngineError):
    """The answer is no HTTP, no JSON, or was cut off."""


class EngineSilent(EngineUnreachable, ProtocolError):
    """The engine takes connections and gives no answer: it hangs."""


class SenselessAnswer(ProtocolError):
    """The answer came whole, and is not what the API promises."""


class EngineRefused(EngineError):
    """The engine answered with an error status; ``status`` is HTTP's, ``words`` the engine's."""

    def __init__(self, status: int, words: str, request: str) -> None:
        words = safe(words)
        mend = " The engine's own log may say more." if status >= 500 else ""
        super().__init__(f"the engine answered {status} to {request}: {words}.{mend}")
        self.status = status
        self.words = words


class CallRefused(EngineRefused):
    """BuildKit refused a call; ``grpc_status`` says why."""

    def __init__(self, grpc_status: int, method: str) -> None:
        super().__init__(501, f"BuildKit refused (gRPC status {grpc_status})", method)
        self.grpc_status = grpc_status


def connection_broke(during: str, error: OSError) -> ProtocolError:
    """The error of a connection that broke; ``during`` is like ``while asking GET /events``."""
    return ProtocolError(
        f"the connection broke {during}: {words_of(error)}. Is the engine being restarted?"
    )
