"""The example of docs/reference/python.md runs as it stands, and names what there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import holystone
from tests.docs.tracked import documents

PAGE = "docs/reference/python.md"


def test_the_example_runs(tmp_path: Path) -> None:
    """It plans, shows, cleans and reads the outcome, on the demo host."""
    code = re.findall(r"```python\n(.*?)```", documents()[PAGE], re.DOTALL)
    assert len(code) == 1
    place = str(Path(holystone.__file__).parents[1])
    environ = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": place}
    environ.pop("HOLYSTONE_STATE", None)
    done = subprocess.run(
        [sys.executable, "-c", code[0]],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    *shown, counted, freed = done.stdout.splitlines()
    removed = re.fullmatch(r"(\d+) removed, 0 failed", counted)
    assert removed
    assert len(shown) == int(removed[1]) > 0
    assert all(re.fullmatch(r"\w+ \S+: \d+ bytes, [a-z, -]+", line) for line in shown)
    told = re.fullmatch(r"(\d+) of (\d+) bytes freed", freed)
    assert told
    assert told[1] == told[2] != "0"


def test_every_public_name_is_there_and_on_the_page() -> None:
    page = documents()[PAGE]
    for name in holystone.__all__:
        assert getattr(holystone, name)
        assert name == "__version__" or f"`{name}" in page or f"{name}(" in page, name
