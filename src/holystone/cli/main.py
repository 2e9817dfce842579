"""Entry point: which command, its options, and how errors end it.

Only the module of the command that runs is imported: the command line has to start fast.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from holystone import __version__
from holystone.cli import exit_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "status": "what is on the disk and what a clean would free",
    "plan": "what would go, what stays, and why",
    "clean": "remove what the plan lets go",
    "explain": "one object: its verdict and every reason",
    "images": "the image table: size, shared, unique, verdict",
    "config": "what is configured, by which file; check it; begin one",
    "lease": "say which images a job will need, so that no clean takes them",
    "history": "past runs, and what each removed and freed",
    "restore": "bring back what a run removed",
    "verify": "find corrupted images, and pull them again",
    "replay": "recorded use under other budgets and orders",
    "protect": "learn which images a repository is built on, and protect them",
