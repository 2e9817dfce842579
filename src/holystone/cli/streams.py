"""Standard output and error as the options say, and a question to a person at the terminal."""

from __future__ import annotations

import argparse
import os
import sys

from holystone.present import terminal
from holystone.present.terminal import Output


def stdout(options: argparse.Namespace) -> Output:
    """Standard output, coloured as the options say."""
    return terminal.open_output(sys.stdout, os.environ, color=options.color)


def stderr(options: argparse.Namespace) -> Output:
    """Standard error, coloured as the options say."""
    return terminal.open_output(sys.stderr, os.environ, color=options.color)


def can_ask(options: argparse.Namespace) -> bool:
    """Whether a person can be asked: at a terminal, and not where a program reads JSON."""
    at_terminal = sys.stdin is not None and sys.stdin.isatty()
    return at_terminal and stderr(options).interactive and not options.json


def agreed(question: str) -> bool:
    """Ask a person at the terminal; whether they say yes."""
    sys.stderr.write(f"{question} ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
