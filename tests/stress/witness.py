"""What the engine's events tell of a stress run, to show what came before a failure."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.engines import Engine
from tests.engines.places import DOCKER


class Witness:
    """Writes every event of an engine down, while its block runs."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self.engine = engine
        self.path = path

    def __enter__(self) -> Self:
        with self.path.open("wb") as file:
            self._process = subprocess.Popen(
                [DOCKER, "events", "--format", "{{json .}}"],
                env=self.engine.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def account(self, names: Sequence[str], since: float, until: float) -> str:
        """The events between two moments (UTC seconds) that tell of one of these names."""
        lines = []
        for line in self.path.read_text().splitlines():
            event = json.loads(line)
            at = event["timeNano"] / 1e9
            if since <= at <= until and any(name in line for name in names):
                actor = event["Actor"]
                about = " ".join(actor["Attributes"].get(key, "") for key in ("name", "image"))
                lines.append(f"{at:.4f} {event['Type']} {event['Action']} {actor['ID']} {about}")
        return "\n".join(lines)
