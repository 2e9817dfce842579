"""axe-core finds what people with disabilities cannot use; npm installs it into the cache."""

from __future__ import annotations

from typing import Any

from tests.browser.chromium import Page
from tests.npm import npm_package

VERSION = "4.14.1"
_BAD = ("serious", "critical")
_RUN = """
axe.run().then(found => ({
  passes: found.passes.length,
  violations: found.violations.map(each => ({
    id: each.id, impact: each.impact, help: each.help,
    nodes: each.nodes.slice(0, 5).map(node => node.html.slice(0, 300)),
  })),
}))
"""


def script() -> str:
    """The text of axe-core."""
    package = npm_package("axe-core", VERSION) / "node_modules" / "axe-core"
    return (package / "axe.min.js").read_text(encoding="utf-8")


def violations(page: Page, axe: str) -> list[dict[str, Any]]:
    """What axe finds on a page that is serious or critical. Raises AssertionError."""
    page.run(f"{axe};0")
    told = page.run(_RUN)
    assert told["passes"] > 10, told
    return [each for each in told["violations"] if each["impact"] in _BAD]
