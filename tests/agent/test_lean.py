"""The agent does not load what only a terminal needs."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("apprise", "attr", "jinja2", "pygments", "rich.console", "textual", "tomlkit")


def test_the_daemon_loads_nothing_heavy() -> None:
    code = f"""
import sys
import holystone.cli.agent, holystone.agent.daemon
print([name for name in {HEAVY!r} if name in sys.modules])
import rich.console
"""
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert said == "[]\n"
