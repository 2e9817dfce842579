"""Why an engine cannot be reached, and the fix: one table for sockets, TCP, TLS and ssh."""

from __future__ import annotations

import os
import socket
import ssl
import stat
from contextlib import suppress

from holystone.engine.errors import EngineUnreachable
from holystone.engine.transport.endpoint import Endpoint, ssh_destination
from holystone.outside.text import words_of

_TEXTS = {
    # A socket's file
    "denied": "permission denied. Add the user to the docker group or pass --host.",
    "denied by podman": (
        "permission denied. Run as root, start a socket of your own with 'systemctl --user start "
        "podman.socket', or pass --host."
    ),
    "no default file": (
        "no such file. Is Docker or Podman installed and started? Start it or pass --host."
    ),
    "no file": "no such file. Start the engine, or correct {source}.",
    "busy": (
        "no answer within {timeout:g} s. The engine is too busy to take connections: try again, "
        "or a longer --timeout."
    ),
    "a folder": (
        "it is a folder, not a socket. Remove it and start the engine, or pass --host. (Docker "
        "makes a folder where a socket to mount was missing.)"
    ),
    "a file": "it is a file, not a socket. Pass --host with the engine's socket.",
    "nobody listens": (
        "connection refused, no engine listens on it. Start the engine (systemctl start "
        "{service}) or pass --host."
    ),
    "other socket": "{said}. Pass --host with another socket.",
    # TCP
    "no such name": "{said}. Check its spelling and the name servers, or use its IP address.",
    "no such service": (
        "{said}. In a CI job that name needs the service docker:dind. Otherwise correct the name."
    ),
    "far away": (
        "no answer within {timeout:g} s. Check the address and any firewall between, or try a "
        "longer --timeout."
    ),
    "refused": (
        "connection refused, nothing listens on port {port}. Start the engine there with -H "
        "tcp://..., or correct the port{other}."
    ),
    "other network": "{said}. Check the address and the network, or pass --host.",
    "wants TLS": (
        "the engine wants TLS. Set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder with "
        "ca.pem, cert.pem and key.pem; or pass --context with one that has TLS."
    ),
    # TLS
    "no handshake": (
        "no answer to the TLS handshake within {timeout:g} s. Does the port speak TLS? Check it, "
        "or try a longer --timeout."
    ),
    "bad file": "cannot read {path}: {said}. Mend that, or pass --host.",
    "no PEM": "{path} is no usable PEM file. Put a certificate in PEM form there.",
    "passphrase": (
        "the key {key} has a passphrase. Like the docker command, holystone takes keys without "
        "one only."
    ),
    "no pair": "the key {key} does not belong to the certificate {cert}. Put the right pair there.",
    "no TLS": (
        "it answers without TLS. Use the port with TLS (mostly 2376), or for plain HTTP unset "
        "DOCKER_TLS_VERIFY and DOCKER_TLS, or use a context without TLS."
    ),
    "no client certificate": (
        "the engine asks for a client certificate, and there is none. Put cert.pem and key.pem "
        "beside ca.pem in the folder DOCKER_CERT_PATH names, or add them to the context."
    ),
    "bad client certificate": (
        "the engine does not accept the client certificate {cert} ({said}). Use one signed by "
        "the authority the engine was started with (--tlscacert)."
    ),
    "closed": (
        "the connection was closed at the TLS handshake. Does the port speak TLS? Perhaps the "
        "engine asks for a client certificate: put cert.pem and key.pem beside ca.pem."
    ),
    "closed on certificate": (
        "the connection was closed at the TLS handshake. Does the port speak TLS, and does the "
        "engine accept the certificate {cert}?"
    ),
    "other TLS": "TLS failed ({said}). Check both sides' TLS settings.",
    "other name": (
        "its certificate is not made out to {host!r}. Use a name that is in the certificate, or "
        "give the engine one with this name among its alternative names (subjectAltName)."
    ),
    "unknown authority": (
        "its certificate is signed by an authority unknown to {ca} ({said}). Put the ca.pem that "
        "signed it in the folder DOCKER_CERT_PATH names, or in the context."
    ),
    "expired": "its certificate has expired. Renew it, or set this machine's clock.",
    "not yet valid": "its certificate is not valid yet. Renew it, or set this machine's clock.",
    "other certificate": "its certificate does not pass ({said}). Give the engine a valid one.",
    # ssh
    "no ssh": "there is no ssh command. Install the OpenSSH client or pass --host.",
    "cannot run ssh": "cannot run ssh: {said}. Pass --host.",
    "silent over ssh": (
        "no answer over ssh within {timeout:g} s. Try '{login}' by hand, or a longer --timeout."
    ),
    "noise": (
        "the remote shell says {said!r} before the engine's answer. Its start-up files must "
        "print nothing where there is no terminal."
    ),
    "no docker there": (
        "logged in, but there is no docker command there ({said}). Install it on {host}, on the "
        "PATH of logins without a terminal."
    ),
    "other ssh": "{said}. Check that '{login} docker version' works.",
    # What ssh, or the docker command behind it, says
    "connect: permission denied": (
        "logged in, but permission to the engine's socket is denied there. Add the remote user "
        "to the docker group there."
    ),
    "failed to open the raw stream connection": (
        "logged in, but no engine answers there ({said}). Start the engine on {host}, or name "
        "its socket: ssh://{host}/path."
    ),
    "is not a docker command": (
        "the docker command there is too old for dial-stdio. Install version 18.09 or newer on "
        "{host}."
    ),
    "host key verification failed": (
        "the key of {host} is not known or has changed. Log in once by hand ('{login}') and "
        "check it."
    ),
    "could not resolve hostname": (
        "the name {host!r} is not known. Check its spelling, or use a name from ~/.ssh/config."
    ),
    "connection refused": (
        "connection refused by {host}. Is sshd running there, on that port? Check with '{login}'."
    ),
    "timed out": (
        "no answer from {host}. Check the address and any firewall between; '{login}' must work."
    ),
    "bad configuration option": (
        "ssh cannot read its configuration ({said}). Mend ~/.ssh/config; '{login}' must work."
    ),
    "permission denied (": (
        "{host} refused the login ({said}). holystone asks for no password: load the key into "
        "ssh-agent, or name it in ~/.ssh/config."
    ),
    "too many authentication failures": (
        "{host} refused the login ({said}). Name the right key in ~/.ssh/config with "
        "IdentityFile and IdentitiesOnly."
    ),
}
"""Cause and mend by kind of failure. Those after ``other ssh`` are known by these words of ssh."""
_SAID_BY_SSH = list(_TEXTS)[list(_TEXTS).index("other ssh") + 1 :]
_NOT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
"""What OpenSSL says of bytes that are no TLS; which of them depends on its version."""
_REFUSED_CERTIFICATE = ("CERTIFICATE", "UNKNOWN_CA", "HANDSHAKE_FAILURE", "ACCESS_DENIED")
"""Alerts by which servers refuse a client's certificate, or miss one."""
_VERIFY_CODES = {62: "other name", 64: "other name", 9: "not yet valid", 10: "expired"} | (
    dict.fromkeys((2, 18, 19, 20, 21), "unknown authority")
)
"""X509_V_ERR numbers of openssl/x509_vfy.h."""


def failure(endpoint: Endpoint, kind: str, **facts: object) -> EngineUnreachable:
    """The error that says where, why and what to do."""
    said = _TEXTS[kind].format(**facts)
    return EngineUnreachable(f"cannot reach the engine at {endpoint.where}: {said}")


def unix_failure(endpoint: Endpoint, error: OSError, timeout: float) -> EngineUnreachable:
    """What a socket that cannot be connected to means."""
    podman = "podman" in endpoint.address
    if isinstance(error, PermissionError):
        return failure(endpoint, "denied by podman" if podman else "denied")
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        kind = "no default file" if endpoint.source == "default" else "no file"
        return failure(endpoint, kind, source=endpoint.source)
    if isinstance(error, TimeoutError):
        return failure(endpoint, "busy", timeout=timeout)
    if isinstance(error, ConnectionRefusedError):
        kind = "nobody listens"
        with suppress(OSError):
            mode = os.stat(endpoint.address).st_mode
            if not stat.S_ISSOCK(mode):
                kind = "a folder" if stat.S_ISDIR(mode) else "a file"
        return failure(endpoint, kind, service="podman.socket" if podman else "docker")
    # A path over 107 bytes, or a socket that is no stream, comes without or with other numbers.
    return failure(endpoint, "other socket", said=words_of(error))


def tcp_failure(
    endpoint: Endpoint, error: OSError | UnicodeError, timeout: float
) -> EngineUnreachable:
    """What a TCP connection that cannot be made means."""
    host, port = endpoint.host, endpoint.address.rpartition(":")[2]
    if isinstance(error, socket.gaierror | UnicodeError):
        said = f"the name {host!r} is not known"
        if getattr(error, "errno", None) == socket.EAI_AGAIN:
            said = f"no name server could tell where {host!r} is"
        return failure(endpoint, f"no such {'service' if host == 'docker' else 'name'}", said=said)
    if isinstance(error, TimeoutError):
        return failure(endpoint, "far away", timeout=timeout)
    if isinstance(error, ConnectionRefusedError):
        other = " (with TLS it is mostly 2376)" if port == "2375" else ""
        return failure(endpoint, "refused", port=port, other=other)
    return failure(endpoint, "other network", said=words_of(error).lower())


def tls_failure(endpoint: Endpoint, error: OSError | ValueError) -> EngineUnreachable:
    """What a handshake or a first answer that failed means."""
    cert, ca = (endpoint.tls.cert, endpoint.tls.ca) if endpoint.tls else (None, None)
    if isinstance(error, ssl.SSLCertVerificationError):
        kind = _VERIFY_CODES.get(error.verify_code, "other certificate")
        authorities = ca or "this machine"
        return failure(
            endpoint, kind, host=endpoint.host, ca=authorities, said=error.verify_message
        )
    reason = (getattr(error, "reason", None) or "").upper()
    if reason.startswith(_NOT_TLS):
        return failure(endpoint, "no TLS")
    if "ALERT" in reason and any(each in reason for each in _REFUSED_CERTIFICATE):
        said = reason.partition("ALERT_")[2].replace("_", " ").lower()
        kind = "bad client certificate" if cert else "no client certificate"
        return failure(endpoint, kind, cert=cert, said=said)
    if isinstance(error, ConnectionError | ssl.SSLEOFError):
        return failure(endpoint, "closed on certificate" if cert else "closed", cert=cert)
    said = reason.replace("_", " ").lower() or words_of(error)
    return failure(endpoint, "other TLS", said=said)


def ssh_failure(endpoint: Endpoint, status: int, stderr: str) -> EngineUnreachable:
    """What an ssh means that ended before an answer."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    host, login = ssh_destination(endpoint.address).host, login_by_hand(endpoint)
    for known in _SAID_BY_SSH:
        for line in reversed(lines):
            if known in line.lower():
                return failure(endpoint, known, host=host, login=login, said=line)
    last = lines[-1].rstrip(".") if lines else f"ssh ended with status {status}"
    kind = "no docker there" if status == 127 else "other ssh"
    return failure(endpoint, kind, host=host, login=login, said=last)


def login_by_hand(endpoint: Endpoint) -> str:
    """The command with which a person tries the same login."""
    place = ssh_destination(endpoint.address)
    port = f"-p {place.port} " if place.port else ""
    user = f"{place.user}@" if place.user else ""
    return f"ssh {port}{user}{place.host}"
