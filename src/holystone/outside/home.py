"""The home folder of the user who runs this: absolute, or none at all."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping

NOWHERE = "/dev/null"
"""Stands for the home folder where there is none: no file can be below it."""


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
