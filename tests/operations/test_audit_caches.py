"""GitLab Runner's cache volumes in the account of a disk: by project, with their last use."""

from __future__ import annotations

from holystone.operations.audit.kinds import frees, safety
from holystone.operations.audit.record import Account, Audit, Entry, Kind, Safety
from holystone.operations.audit.runner_caches import with_runner_caches
from holystone.planner.inventory import Engine, Volume
from holystone.present.report.audit import document, render_audit
from holystone.present.terminal import Look

NOW = 1_750_000_000.0
CACHE, BUILDS = "3c3f060a0374fc8bc39395164f415a70", "c33bcaa1fd2c77edfc3893b41966cea8"
OLD = "runner-gxwcus4-project-21-concurrent-0-cache-"
NEW = f"runner-{'0f' * 16}-cache-{CACHE}-protected"
LABELS = {
    "com.gitlab.gitlab-runner.project.id": "42",
    "com.gitlab.gitlab-runner.job.url": "https://git.test/team/app/-/jobs/7",
}
VOLUMES = (Volume(OLD + CACHE), Volume(OLD + BUILDS), Volume(NEW, labels=LABELS), Volume("data"))


def audited() -> Audit:
    """The account of a disk with these volumes, 5 MB each."""
    entries = tuple(Entry(Kind.VOLUME, volume.name, 5_000_000) for volume in VOLUMES)
    account = Account("/", "ext4", 100_000_000, 20_000_000, 80_000_000, entries)
    used = {("volume", OLD + CACHE): NOW - 3600, ("volume", OLD + BUILDS): NOW - 86400}
    engine = Engine("e", "runner", "28.5", "1.51", "overlay2")
    account = with_runner_caches(account, VOLUMES, used, NOW)
    return Audit(engine, "/var/lib/docker", NOW, 1.0, (account,))


def test_each_volume_says_whose_it_is_and_what_frees_it() -> None:
    entries = {each.name: each for each in audited().accounts[0].entries}
    builds = entries[OLD + BUILDS]
    assert builds.evidence == "cache of /builds of GitLab Runner, project 21, last used 24 h ago"
    assert builds.used == NOW - 86400
    assert safety(builds) is Safety.COSTS
    assert "[volumes]" in frees(builds)
    assert entries[NEW].evidence == (
        "cache for protected branches of GitLab Runner, project team/app (42), use not seen"
    )
    assert entries["data"] == Entry(Kind.VOLUME, "data", 5_000_000)


def test_the_account_lists_them_by_project() -> None:
    lines = render_audit(audited(), Look()).splitlines()
    at = lines.index("GitLab Runner's caches by project")
    assert [" ".join(line.split()) for line in lines[at + 1 : at + 3]] == [
        "21 10.0 MB 2 volumes, last used 1 h ago",
        "team/app (42) 5.00 MB 1 volume, use not seen",
    ]


def test_the_document_has_project_and_last_use() -> None:
    told = {each["name"]: each for each in document(audited())["disks"][0]["entries"]}
    assert told[OLD + CACHE]["project"] == "21"
    assert told[OLD + CACHE]["last_used_at"] == "2025-06-15T14:06:40Z"
    assert (told[NEW]["project"], told[NEW]["last_used_at"]) == ("team/app (42)", None)
    assert told["data"]["project"] is None
