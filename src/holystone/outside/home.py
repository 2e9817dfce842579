"""The user's home folder, absolute or none at all, and the docker command's folder in it."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping

NOWHERE = "/dev/null"
"""Stands for the home folder where there is none: no file can be below it."""
LARGEST_CONFIG = 10_000_000
"""Bytes of a file of the docker command's configuration. One with a thousand logins has a tenth."""


def home(environ: Mapping[str, str]) -> str:
    """``HOME``, else what the passwd database says; empty where neither has an absolute path.

    A relative one is ignored: files would be read from, and written into, any folder that the
    command runs in, which may be somebody else's checkout.
    """
    told = environ.get("HOME", "")
    if os.path.isabs(told):
        return told
    try:
        told = pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""
    return told if os.path.isabs(told) else ""


def config_folder(environ: Mapping[str, str]) -> str:
    """The docker command's configuration folder: ``DOCKER_CONFIG``, or ``~/.docker``.

    Where the user has no home folder it is one that cannot be there.
    """
    return environ.get("DOCKER_CONFIG") or os.path.join(home(environ) or NOWHERE, ".docker")
