"""Cache volumes of GitLab Runner on real engines: listed by project, kept within a budget."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import Command
from tests.cli.contract import check_clean, removed
from tests.engines import Engine
from tests.engines.images import ImageToLoad, busybox_layer, load

CACHE, BUILDS = "3c3f060a0374fc8bc39395164f415a70", "c33bcaa1fd2c77edfc3893b41966cea8"
OLD = "runner-gxwcus4-project-21-concurrent-0-cache-"
NEW = "runner-0f0e0d0c0b0a0908f0f1f2f3f4f5f6f7-cache-"
LABELS = (
    *("--label", "com.gitlab.gitlab-runner.type=cache"),
    *("--label", "com.gitlab.gitlab-runner.project.id=42"),
    *("--label", "com.gitlab.gitlab-runner.job.url=https://git.test/team/app/-/jobs/1"),
)


def use(engine: Engine, image: str, volume: str, size: int = 0) -> None:
    """Mount a volume in a container that ends, and write so many bytes into it."""
    write = f"head -c {size} /dev/zero | tr '\\\\0' x > /data/f" if size else "true"
    command = ("run", "--rm", "--network", "none", "-v", f"{volume}:/data")
    engine.docker(*command, image, "/bin/busybox", "sh", "-c", write)


@pytest.mark.engine("docker20", "docker28c")
def test_the_least_recently_used_caches_go_beyond_the_budget(
    fresh_engine: Engine, holystone: Command, unique: str, tmp_path: Path
) -> None:
    config = tmp_path / "mine.toml"
    config.write_text('[volumes]\nbudgets = ["runner-*-cache-*=2500kB"]\n')
    on = ("--config", config, "--min-age", "0s", "-H", fresh_engine.host)
    image = f"localhost/{unique}:run"
    load(fresh_engine, ImageToLoad([busybox_layer()], [image]))
    fresh_engine.docker("volume", "create", *LABELS, NEW + CACHE)
    volumes = (OLD + CACHE, OLD + BUILDS, NEW + CACHE, f"{unique}-data")
    for volume in volumes:
        use(fresh_engine, image, volume, 1_000_000)
    # The engine tells times of creation in whole seconds; holystone sees the uses in the events.
    holystone("observe", "-H", fresh_engine.host)
    use(fresh_engine, image, OLD + CACHE)
    mounted = f"{NEW}{CACHE}:/data"
    fresh_engine.docker(
        *("run", "--detach", "--name", unique, "--network", "none", "-v", mounted),
        *(image, "/bin/busybox", "sleep", "1000"),
    )
    listed = holystone("volumes", *on, "--filter", "project=*")
    text = [" ".join(line.split()) for line in listed.lines]
    assert "GitLab Runner's caches by project" in text
    assert any(line.startswith("team/app (42) 1 volume 1.00 MB") for line in text), text
    assert any(line.startswith("21 2 volumes 2.00 MB") for line in text), text
    done = holystone("clean", "weekly", "--only", "volumes", "--json", *on)
    items = check_clean(done.json)
    # The three hold 3 MB, one of them is in use, and one was used later than the other.
    assert removed(items) == {("volume", OLD + BUILDS)}
    assert items["volume", OLD + CACHE]["reasons"][0]["rule"] == "within-budget"
    assert items["volume", NEW + CACHE]["reasons"][0]["rule"] == "in-use"
    assert items["volume", f"{unique}-data"]["reasons"][0]["rule"] == "named"
    assert items["volume", OLD + BUILDS]["outcome_freed_bytes"] == 1_000_000
