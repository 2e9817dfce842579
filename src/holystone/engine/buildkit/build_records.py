"""BuildKit's records of past builds on the containerd image store, which hold what they made.

For two days BuildKit keeps the latest builds (0.11 and later), and with each the manifest and the
config of its result. A pull finds these in the store, and does not fetch them again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from holystone.engine.buildkit.cache import builds_that_made, forget_builds
from holystone.engine.client import Client
from holystone.engine.errors import EngineError, EngineRefused, EngineUnreachable, ProtocolError
from holystone.engine.patience import WORKING_GRPC

_NO_SUCH_CALL = 501


class BuildRecords:
    """The records of one engine."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def that_made(self, digests: Collection[str]) -> Sequence[bytes] | None:
        """The names of the builds whose results have any of these digests.

        None where nobody can tell: a proxy before the engine does not let the question through.
        Raises EngineUnreachable.
        """
        connection = self.client.open()
        try:
            return builds_that_made(connection.upgraded("POST /grpc"), digests)
        except EngineUnreachable:
            raise
        except EngineRefused as refusal:
            # A BuildKit that knows no such call keeps no records.
            return () if refusal.status == _NO_SUCH_CALL and "gRPC" in refusal.words else None
        except (EngineError, OSError):
            return None
        finally:
            connection.close()

    def forget(self, names: Sequence[bytes]) -> None:
        """Delete these records. Raises EngineError."""
        connection = self.client.open()
        try:
            forget_builds(connection.upgraded(WORKING_GRPC), names)
        except OSError as error:
            raise ProtocolError(f"BuildKit broke off: {error.strerror or error}") from None
        finally:
            connection.close()
