"""Certificates for tests, made by the ``openssl`` command."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple


class Pair(NamedTuple):
    """A certificate and its key, as PEM files."""

    cert: Path
    key: Path


class Authority:
    """Signs certificates; its own is ``ca``."""

    def __init__(self, folder: Path, name: str = "test authority") -> None:
        """Make the authority's files in a new folder."""
        folder.mkdir()
        self.folder = folder
        self.ca = folder / "ca.pem"
        self.ca_key = folder / "ca-key.pem"
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-keyout", self.ca_key, "-out", self.ca, "-days", "2"),
            *("-subj", f"/CN={name}"),
        )

    def issue(self, name: str, *alternatives: str, days: int = 1) -> Pair:
        """A certificate for ``alternatives`` (``DNS:engine``, ``IP:127.0.0.1``)."""
        made = Pair(self.folder / f"{name}.pem", self.folder / f"{name}-key.pem")
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text(
            "basicConstraints=CA:FALSE\n"
            + (f"subjectAltName={','.join(alternatives)}\n" if alternatives else "")
        )
        _openssl(
            *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-keyout", made.key, "-out", request, "-subj", f"/CN={name}"),
        )
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key),
            *("-CAcreateserial", "-out", made.cert, "-days", days, "-extfile", extensions),
        )
        return made


def with_passphrase(key: Path) -> Path:
    """A copy of a key that needs a passphrase."""
    made = key.with_suffix(".locked.pem")
    _openssl("pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", made)
    return made


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
