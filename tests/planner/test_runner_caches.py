"""Which volumes are GitLab Runner's caches, and of which project: by name and by label."""

from __future__ import annotations

import pytest

from holystone.planner.inventory import Volume
from holystone.planner.runner_caches import RunnerCache, by_project, runner_cache

CACHE, BUILDS = "3c3f060a0374fc8bc39395164f415a70", "c33bcaa1fd2c77edfc3893b41966cea8"
OLD = "runner-gxwcus4-project-21-concurrent-0-cache-"
NEW = f"runner-{'0f' * 16}-cache-"
PREFIX = "com.gitlab.gitlab-runner."


def labels(**told: str) -> dict[str, str]:
    """Labels of the runner: ``project_id="21"``."""
    return {PREFIX + name.replace("_", "."): value for name, value in told.items()}


@pytest.mark.parametrize(
    ("volume", "cache"),
    [
        (Volume(OLD + CACHE), RunnerCache("21", "", "gxwcus4", "0", "/cache", protected=False)),
        (
            Volume(f"{OLD}{BUILDS}-protected"),
            RunnerCache("21", "", "gxwcus4", "0", "/builds", protected=True),
        ),
        (
            # A token may have the letters of the name in it.
            Volume(f"runner-a-project-b-project-7-concurrent-12-cache-{CACHE}"),
            RunnerCache("7", "", "a-project-b", "12", "/cache", protected=False),
        ),
        (
            Volume(f"runner-x-project-7-concurrent-0-job-99-cache-{CACHE}"),
            RunnerCache("7", "", "x", "0", "/cache", protected=False),
        ),
        (
            Volume(
                NEW + "ab" * 16,
                labels=labels(
                    project_id="42",
                    type="cache",
                    job_url="https://gitlab.example.com/team/sub/app/-/jobs/4711",
                ),
            ),
            RunnerCache("42", "team/sub/app", "0f" * 16, "", "ab" * 16, protected=False),
        ),
        (Volume(NEW + CACHE), RunnerCache("", "", "0f" * 16, "", "/cache", protected=False)),
        (
            Volume("named-by-hand", labels=labels(project_id="8", type="cache")),
            RunnerCache("8", "", "", "", "", protected=False),
        ),
        (
            # A label that is no number does not count.
            Volume(OLD + CACHE, labels=labels(project_id="8;rm -rf", job_url="javascript:x")),
            RunnerCache("21", "", "gxwcus4", "0", "/cache", protected=False),
        ),
    ],
)
def test_a_cache_says_what_it_is_for(volume: Volume, cache: RunnerCache) -> None:
    assert runner_cache(volume) == cache


@pytest.mark.parametrize(
    "volume",
    [
        Volume("runner-gxwcus4-database"),
        Volume(f"runner-x-cache-{CACHE[:-1]}"),
        Volume(f"my-runner-x-cache-{CACHE}"),
        Volume(f"runner-x-cache-{CACHE}-copy"),
        Volume("data", labels=labels(project_id="8", type="build")),
        Volume("a" * 64, anonymous=True),
    ],
)
def test_other_volumes_are_none(volume: Volume) -> None:
    assert runner_cache(volume) is None


def test_projects_come_largest_first_with_all_of_their_volumes() -> None:
    app = labels(project_id="42", type="cache", job_url="http://git.test/team/app/-/jobs/1")
    volumes = [
        Volume(f"runner-a-project-42-concurrent-0-cache-{CACHE}", size=1),
        Volume(NEW + CACHE, size=5, labels=app),
        Volume(OLD + CACHE, size=4),
        Volume(OLD + BUILDS),
        Volume("data", size=100),
    ]
    found = by_project(volumes)
    assert [(each.project, each.size, len(each.volumes)) for each in found] == [
        ("team/app (42)", 6, 2),
        ("21", 4, 2),
    ]
    assert [volume.size for volume in found[1].volumes] == [4, None]
