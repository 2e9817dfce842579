"""TLS to an engine, and what a failed handshake means."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterable

from holystone.engine.errors import EngineUnreachable
from holystone.engine.transport.address import TLS, Endpoint, host_of, unreachable
from holystone.outside.regular_file import NotRegular, read_regular

_LARGEST = 10_000_000
"""Bytes of a file of certificates. All authorities that a system trusts are a quarter of a MB."""
_NOT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
"""What OpenSSL says of bytes that are no TLS; which of them depends on its version."""
_REFUSED_CERTIFICATE = ("CERTIFICATE", "UNKNOWN_CA", "HANDSHAKE_FAILURE", "ACCESS_DENIED")
"""Alerts by which servers refuse a client's certificate, or miss one."""
_HOSTNAME_MISMATCH, _ADDRESS_MISMATCH = 62, 64
_NOT_YET_VALID, _EXPIRED = 9, 10
_UNKNOWN_AUTHORITY = (2, 18, 19, 20, 21)
"""X509_V_ERR numbers of openssl/x509_vfy.h."""


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
            raise _failure(self.endpoint, error) from None
        if not data and self.endpoint:
            raise _failure(self.endpoint, ConnectionResetError())
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
            raise _failure(self.endpoint, self._last_words() or error) from None

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
            server_hostname=host_of(endpoint).partition("%")[0],
            suppress_ragged_eofs=False,
        )
    except TimeoutError:
        plain.close()
        raise unreachable(
            endpoint,
            f"no answer to the TLS handshake within {timeout:g} s",
            "Does the port speak TLS? Check it, or try a longer --timeout.",
        ) from None
    except (OSError, ValueError) as error:
        plain.close()
        raise _failure(endpoint, error) from None
    except BaseException:
        plain.close()
        raise
    if isinstance(sock, _TLSSocket):
        sock.endpoint = endpoint
    return sock


def _check_files(endpoint: Endpoint, paths: Iterable[str | None]) -> None:
    """Refuse what is no regular file: OpenSSL would wait for a FIFO's writer for good."""
    for path in filter(None, paths):
        try:
            read_regular(path, _LARGEST)
        except NotRegular as error:
            raise unreachable(
                endpoint, f"cannot read {path}: {error}", "Mend that, or pass --host."
            ) from None
        except OSError:
            continue  # OpenSSL's own error is told.


def _context(endpoint: Endpoint) -> ssl.SSLContext:
    wanted = _tls(endpoint)
    _check_files(endpoint, (wanted.ca, wanted.cert, wanted.key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = _TLSSocket
    if not wanted.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif wanted.ca is None:
        context.load_default_certs()
    else:
        try:
            context.load_verify_locations(wanted.ca)
        except OSError as error:
            raise _bad_file(endpoint, wanted.ca, error) from None
    if wanted.cert is not None and wanted.key is not None:

        def encrypted() -> str:
            raise unreachable(
                endpoint,
                f"the key {wanted.key} has a passphrase",
                "Like the docker command, holystone takes keys without one only.",
            )

        try:
            context.load_cert_chain(wanted.cert, wanted.key, encrypted)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise unreachable(
                    endpoint,
                    f"the key {wanted.key} does not belong to the certificate {wanted.cert}",
                    "Put the right pair there.",
                ) from None
            raise _bad_file(endpoint, f"{wanted.cert} or {wanted.key}", error) from None
        except OSError as error:
            unreadable = [
                path for path in (wanted.cert, wanted.key) if not os.access(path, os.R_OK)
            ]
            raise _bad_file(endpoint, " and ".join(unreadable) or wanted.cert, error) from None
    return context


def _bad_file(endpoint: Endpoint, path: str, error: OSError) -> EngineUnreachable:
    if isinstance(error, ssl.SSLError):
        return unreachable(
            endpoint, f"{path} is no usable PEM file", "Put a certificate in PEM form there."
        )
    words = (error.strerror or str(error)).lower()
    return unreachable(endpoint, f"cannot read {path}: {words}", "Mend that, or pass --host.")


def _failure(endpoint: Endpoint, error: OSError | ValueError) -> EngineUnreachable:
    """What a handshake or a first answer that failed means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _distrusted(endpoint, error)
    reason = (getattr(error, "reason", None) or "").upper()
    if reason.startswith(_NOT_TLS):
        return unreachable(
            endpoint,
            "it answers without TLS",
            "Use the port with TLS (mostly 2376), or for plain HTTP unset DOCKER_TLS_VERIFY and "
            "DOCKER_TLS, or use a context without TLS.",
        )
    if "ALERT" in reason and any(words in reason for words in _REFUSED_CERTIFICATE):
        return _distrusting(endpoint, reason)
    if isinstance(error, ConnectionError | ssl.SSLEOFError):
        cert = _tls(endpoint).cert
        return unreachable(
            endpoint,
            "the connection was closed at the TLS handshake",
            f"Does the port speak TLS, and does the engine accept the certificate {cert}?"
            if cert
            else "Does the port speak TLS? Perhaps the engine asks for a client certificate: put "
            "cert.pem and key.pem beside ca.pem.",
        )
    words = reason.replace("_", " ").lower() or getattr(error, "strerror", None) or str(error)
    return unreachable(endpoint, f"TLS failed ({words})", "Check both sides' TLS settings.")


def _distrusting(endpoint: Endpoint, reason: str) -> EngineUnreachable:
    """The engine did not take this side's certificate, or misses it."""
    cert = _tls(endpoint).cert
    if cert is None:
        return unreachable(
            endpoint,
            "the engine asks for a client certificate, and there is none",
            "Put cert.pem and key.pem beside ca.pem in the folder DOCKER_CERT_PATH names, or add "
            "them to the context.",
        )
    said = reason.partition("ALERT_")[2].replace("_", " ").lower()
    return unreachable(
        endpoint,
        f"the engine does not accept the client certificate {cert} ({said})",
        "Use one signed by the authority the engine was started with (--tlscacert).",
    )


def _distrusted(endpoint: Endpoint, error: ssl.SSLCertVerificationError) -> EngineUnreachable:
    """The engine's own certificate did not pass."""
    host, ca, code = host_of(endpoint), _tls(endpoint).ca, error.verify_code
    if code in (_HOSTNAME_MISMATCH, _ADDRESS_MISMATCH):
        return unreachable(
            endpoint,
            f"its certificate is not made out to {host!r}",
            "Use a name that is in the certificate, or give the engine one with this name among "
            "its alternative names (subjectAltName).",
        )
    if code in _UNKNOWN_AUTHORITY:
        return unreachable(
            endpoint,
            "its certificate is signed by an authority unknown to "
            + (ca or "this machine")
            + f" ({error.verify_message})",
            "Put the ca.pem that signed it in the folder DOCKER_CERT_PATH names, or in the "
            "context.",
        )
    if code in (_EXPIRED, _NOT_YET_VALID):
        when = "has expired" if code == _EXPIRED else "is not valid yet"
        return unreachable(
            endpoint, f"its certificate {when}", "Renew it, or set this machine's clock."
        )
    return unreachable(
        endpoint,
        f"its certificate does not pass ({error.verify_message})",
        "Give the engine a valid one.",
    )


def _tls(endpoint: Endpoint) -> TLS:
    return endpoint.tls or TLS(None, None, None, verify=True)
