"""TLS to an engine."""

from __future__ import annotations

import os
import socket
import ssl

from holystone.engine.transport.endpoint import TLS, Endpoint
from holystone.engine.transport.failures import failure, tls_failure
from holystone.outside.regular_file import NotRegular, read_regular
from holystone.outside.text import said

_LARGEST = 10_000_000
"""Bytes of a file of certificates. All authorities that a system trusts are a quarter of a MB."""


class _TLSSocket(ssl.SSLSocket):
    """In TLS 1.3 an engine refuses the client's certificate only after the handshake.

    So until the first answer came, every break is a failure to connect.
    """

    endpoint: Endpoint | None = None

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        try:
            data = super().recv(buflen, flags)
        except TimeoutError:
            raise
        except OSError as error:
            if self.endpoint is None:
                raise
            raise tls_failure(self.endpoint, error) from None
        if not data and self.endpoint:
            raise tls_failure(self.endpoint, ConnectionResetError())
        self.endpoint = None
        return data

    def sendall(self, data: bytes, flags: int = 0) -> None:  # type: ignore[override]
        try:
            super().sendall(data, flags)
        except TimeoutError:
            raise
        except OSError as error:
            if self.endpoint is None:
                raise
            raise tls_failure(self.endpoint, self._last_words() or error) from None

    def _last_words(self) -> OSError | None:
        """The alert the engine sent before it closed the connection."""
        try:
            super().recv(1)
        except TimeoutError:
            return None
        except OSError as error:
            return error
        return None


def wrap(plain: socket.socket, endpoint: Endpoint, timeout: float) -> socket.socket:
    """The connected socket with TLS on it, the engine's certificate checked where asked.

    Closes ``plain`` where that fails. Raises EngineUnreachable.
    """
    try:
        sock = _context(endpoint).wrap_socket(
            plain,
            server_hostname=endpoint.host.partition("%")[0],
            suppress_ragged_eofs=False,
        )
    except TimeoutError:
        plain.close()
        raise failure(endpoint, "no handshake", timeout=timeout) from None
    except (OSError, ValueError) as error:
        plain.close()
        raise tls_failure(endpoint, error) from None
    except BaseException:
        plain.close()
        raise
    if isinstance(sock, _TLSSocket):
        sock.endpoint = endpoint
    return sock


def _context(endpoint: Endpoint) -> ssl.SSLContext:
    """How to speak TLS with this endpoint. Raises EngineUnreachable for a file that will not do."""
    wanted = endpoint.tls or TLS(None, None, None, verify=True)
    for path in filter(None, wanted[:3]):
        try:
            # OpenSSL would wait for a FIFO's writer for good.
            read_regular(path, _LARGEST)
        except NotRegular as error:
            raise failure(endpoint, "bad file", path=path, said=error) from None
        except OSError:
            continue  # OpenSSL's own error is shown.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = _TLSSocket
    path = wanted.ca or ""
    try:
        if not wanted.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif wanted.ca is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(wanted.ca)
        if wanted.cert is not None and wanted.key is not None:
            pair = (wanted.cert, wanted.key)
            path = " or ".join(pair)

            def encrypted() -> str:
                raise failure(endpoint, "passphrase", key=wanted.key)

            context.load_cert_chain(*pair, encrypted)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise failure(endpoint, "no pair", key=wanted.key, cert=wanted.cert) from None
        raise failure(endpoint, "no PEM", path=path) from None
    except OSError as error:
        unread = [each for each in wanted[:3] if each and not os.access(each, os.R_OK)]
        path = " and ".join(unread) or path
        raise failure(endpoint, "bad file", path=path, said=said(error)) from None
    return context
