"""The pictures of commands in README.md and docs, which ``make examples`` draws."""

from __future__ import annotations

import io
import re
import sys

from rich.console import Console
from rich.text import Text

from tests.docs.examples import Example, run
from tests.docs.tracked import ROOT

PICTURE = "docs/pictures/status.svg"
COMMAND = "holystone status --host demo:"
AUDIT = "docs/pictures/audit.svg"
AUDIT_COMMAND = "holystone audit --host demo: --top 6"
DISK = "docs/pictures/disk.svg"
DISK_COMMAND = "holystone status --svg --host demo:"
_MOMENT = re.compile(r"(?:\d{4}-\d\d-\d\d )?\d\d:\d\d UTC")
# Without rich's own format, which loads fonts from elsewhere. A picture on a page loads nothing,
# and the window has a background of its own, so that it can be read on light and dark pages.
_FORMAT = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<title>What holystone {name} shows of the demo host</title>
<style>
.{unique_id}-matrix {{
    font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
    font-size: {char_height}px;
    line-height: {line_height}px;
}}
.{unique_id}-title {{ font-family: sans-serif; font-size: 18px; font-weight: bold; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def drawn(command: str = COMMAND) -> str:
    """The picture as it should be, with a fixed time in place of each moment."""
    printed = run(Example(f"CLICOLOR_FORCE=1 COLUMNS=100 {command}", [], 1, 1))
    text = _MOMENT.sub("08:39 UTC", "\n".join([f"$ {command}", *printed]))
    shown = Text.from_ansi(text)
    console = Console(
        record=True,
        file=io.StringIO(),
        width=max(map(len, shown.plain.splitlines())),
        color_system="standard",
        force_terminal=True,
    )
    console.print(shown, "", sep="\n", soft_wrap=True)
    name = command.split()[1]
    # The other names in it are rich's, to fill in.
    code = _FORMAT.replace("{name}", name)
    svg = console.export_svg(title="holystone", unique_id=name, code_format=code)
    return "\n".join(line.strip() for line in svg.replace("><", ">\n<").splitlines()) + "\n"


def disk() -> str:
    """What ``status --svg`` draws, with a fixed time in place of the moment."""
    printed = run(Example(DISK_COMMAND, [], 1, 1))
    return _MOMENT.sub("2026-11-27 08:39 UTC", "\n".join(printed)) + "\n"


def main() -> None:
    """Bring the pictures up to date."""
    for name, new in ((PICTURE, drawn()), (AUDIT, drawn(AUDIT_COMMAND)), (DISK, disk())):
        path = ROOT / name
        if not path.exists() or path.read_text(encoding="utf-8") != new:
            path.parent.mkdir(exist_ok=True)
            path.write_text(new, encoding="utf-8")
            sys.stdout.write(f"rewritten: {name}\n")


if __name__ == "__main__":
    main()
