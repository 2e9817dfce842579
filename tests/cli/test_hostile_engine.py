"""Labels and commands that real engines take as they are give no terminal or log a command."""

from __future__ import annotations

from pathlib import Path

from tests.cli.command import Command
from tests.cli.test_hostile import HOSTILE, check
from tests.engines import Engine
from tests.engines.images import ImageToLoad, busybox_layer, layer, load

_ALONE = {"HostConfig": {"NetworkMode": "none"}}


def test_what_an_engine_took_from_somebody_is_harmless(
    fresh_engine: Engine, holystone: Command, unique: str, tmp_path: Path
) -> None:
    tag = f"localhost/{unique}:1"
    labels = {HOSTILE: HOSTILE, "stage": f"::add-mask::{HOSTILE}"}
    load(fresh_engine, ImageToLoad([busybox_layer(), layer(unique)], [tag], labels=labels))
    body = {"Image": tag, "Cmd": ["sh", "-c", f"exit 0 # {HOSTILE}"], "Labels": labels, **_ALONE}
    made = fresh_engine.api("POST", f"/containers/create?name={unique}", body)["Id"]
    fresh_engine.docker("start", unique)
    fresh_engine.docker("wait", unique)
    fresh_engine.api("POST", "/volumes/create", {"Name": f"{unique}-v", "Labels": labels})
    config = tmp_path / "holystone.toml"
    config.write_text('[protect]\nlabels = ["stage=*a*a*a*b", "stage=::add-mask::*"]\n')
    job = {"GITHUB_ACTIONS": "true", "BUILD_TAG": HOSTILE}
    for line in (
        ["status"],
        ["images", "--all"],
        ["volumes", "--format", "{{.Name}} {{.Labels}}"],
        ["containers", "--no-trunc"],
        ["containers", "--format", "json"],
        ["cache", "--all"],
        ["plan", "deep", "--min-age", "0s", "-v"],
        ["plan", "--config", str(config), "-v"],
        ["explain", tag],
        ["explain", made, "--json", "--config", str(config)],
        ["clean", "--min-age", "0s", "-v"],
        ["history", "1"],
        ["history", "1", "--json"],
    ):
        done = holystone(*line, DOCKER_HOST=fresh_engine.host, **job)
        assert done.code == 0, done
        check(done)
    kept = holystone("plan", "--config", config, "--json", DOCKER_HOST=fresh_engine.host).json
    facts = [each["facts"] for item in kept["items"] for each in item["reasons"]]
    assert {"label": "stage=::add-mask::*"} in facts
