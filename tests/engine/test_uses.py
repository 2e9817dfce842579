"""Use as real engines show it: jobs lead to the right counts, and nothing counts twice."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CalledProcessError

import pytest

from holystone.engine.host import Observed
from holystone.planner import usage
from holystone.planner.usage import Use
from holystone.store import use_log as past
from holystone.usage import sighting
from holystone.usage.engine_history import MORE_EVENTS, NO_EVENTS
from tests.engine.cleaning import live_host
from tests.engine.refreshing import move_tag
from tests.engine.restoring import pushed
from tests.engines import Engine, Registry
from tests.engines.images import ImageToLoad, build, busybox_layer, layer, load
from tests.store.examples import opened

_LEAST_APART = 0.8
"""Seconds between uses that count as two here: a minute is long for a test."""
_CALIBRATION = "localhost/calibration:1"


class Job:
    """What CI jobs do on an engine, and looks at it in between."""

    def __init__(
        self, engine: Engine, state: Path, unique: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.engine = engine
        self.state = state
        self.unique = unique
        self.apart = self.calibrated()
        monkeypatch.setattr(usage, "SAME_USE", self.apart)
        monkeypatch.setattr(sighting, "SAME_USE", self.apart)

    def calibrated(self) -> float:
        """Seconds that keep jobs apart: from creation to start, a container takes far less.

        An engine under load takes longer for both, so a job is run to see how long now.
        """
        load(self.engine, ImageToLoad([busybox_layer(), layer("calibration")], [_CALIBRATION]))
        began = time.monotonic()
        self.engine.docker("run", "--rm", "--network", "none", _CALIBRATION, "true")
        return max(_LEAST_APART, 2 * (time.monotonic() - began))

    def rest(self) -> None:
        """Wait until the next use counts as another one."""
        time.sleep(self.apart + 0.1)

    def settle(self) -> None:
        """Wait until Podman, whose events come late, tells of a sentinel that came last."""
        name = f"sentinel-{time.monotonic_ns()}"
        log = f"/events?since={int(time.time()) - 60}&stream=false"
        self.engine.docker("volume", "create", name)
        until = time.monotonic() + 60
        while name.encode() not in self.engine.client.raw("GET", log):
            assert time.monotonic() < until, f"no event of {name}"
            time.sleep(0.02)
        self.engine.docker("volume", "rm", name)

    def look(self) -> Observed:
        """One look that remembers."""
        if self.engine.store == "podman":
            self.settle()
        host = live_host(self.engine, self.state)
        observed = host.keep_uses(host.observe())
        host.close()
        return observed

    def counts(self) -> dict[str, int]:
        """How often each reference of this test was used; the engine tells of others' too."""
        known = self.summaries("reference").items()
        return {name: use.count for name, use in known if self.unique in name}

    def summaries(self, kind: str) -> dict[str, Use]:
        with opened(self.state) as ledger:
            ((key, _),) = ledger.read(
                lambda d: d.execute("SELECT engine, name FROM watch").fetchall()
            )
            return ledger.recall_summaries(str(key), kind)

    def log(self) -> list[tuple[str, str, bool]]:
        """The single uses that are known: reference, layers of the image, whether it was pulled."""
        with opened(self.state) as ledger:
            ((key, *_),) = ledger.read(past.engines)
            images = ledger.read(lambda d: past.images(d, key))
            uses = ledger.read(lambda d: list(past.uses(d, key)))
        return [(each.reference, str(images[each.image].layers), each.pulled) for each in uses]

    def run(self, image: str, *options: str) -> None:
        self.engine.docker("run", "--network", "none", *options, image, "true")
        self.rest()

    def image_of(self, reference: str) -> str:
        return str(self.engine.api("GET", f"/images/{reference}/json")["Id"])


@pytest.fixture
def job(fresh_engine: Engine, tmp_path: Path, unique: str, monkeypatch: pytest.MonkeyPatch) -> Job:
    return Job(fresh_engine, tmp_path, unique, monkeypatch)


def with_busybox(job: Job, name: str, tag: str = "1") -> str:
    """An image that can run, under a tag that reads the same on every engine."""
    reference = f"localhost/{name}:{tag}"
    load(job.engine, ImageToLoad([busybox_layer(), layer(f"{name} {tag}")], [reference]))
    return reference


def test_jobs_lead_to_the_right_counts(job: Job, unique: str) -> None:
    """Each job once, whether its container is still there or not; and no look counts anything."""
    reference = with_busybox(job, unique)
    job.rest()
    job.look()
    assert job.counts().get(reference, 0) <= 1, "some engines tell of a load which image it was"
    before = job.counts().get(reference, 0)
    job.run(reference, "--rm")
    job.run(reference)
    assert len(job.look().counted) == 2
    assert job.look().counted == ()
    job.run(reference, "--rm")
    observed = job.look()
    assert [each.reference for each in observed.counted] == [reference]
    assert observed.missed == ()
    assert job.counts() == {reference: before + 3}
    use = job.summaries("image")[job.image_of(reference)]
    assert use.count == before + 3
    assert use.gap is not None
    assert abs(use.last - time.time()) < 10


def test_a_container_that_runs_is_one_use_until_it_ends(job: Job, unique: str) -> None:
    reference = with_busybox(job, unique)
    job.rest()
    job.look()
    known = job.counts().get(reference, 0)
    name = job.engine.docker("run", "-d", "--network", "none", reference, "sleep", "1000")
    for _ in range(3):
        job.look()
        time.sleep(job.apart)
    assert job.counts() == {reference: known + 1}
    began = job.summaries("reference")[reference].latest
    job.engine.docker("rm", "-f", name)
    job.look()
    use = job.summaries("reference")[reference]
    assert use.count == known + 1
    assert use.latest == began
    assert use.last - began > 2 * job.apart, "it was in use until then"


def test_a_moved_tag_passes_its_history_on(job: Job, registry: Registry, unique: str) -> None:
    """The reference keeps it; the image that is pulled next stands behind it, and was pulled."""
    name = pushed(job.engine, registry, unique, "1").partition("@")[0]
    reference = f"{name}:1"
    job.rest()
    job.look()
    first = job.image_of(reference)
    count = job.counts()[reference]
    assert count >= 1
    move_tag(job.engine, registry, unique, "1")
    job.look()
    job.rest()
    job.engine.docker("pull", "--quiet", reference)
    second = job.image_of(reference)
    assert second != first
    job.look()
    assert job.counts()[reference] == count + 1
    images = job.summaries("image")
    assert images[second].first > images[first].last
    last = [each for each in job.log() if each[0] == reference][-1]
    assert last[2], "its image came from the registry"


def test_an_image_that_vanished_and_came_back_was_pulled_again(
    job: Job, registry: Registry, unique: str
) -> None:
    """Between two looks or over one; a pull that finds the newest here brings nothing."""
    name = pushed(job.engine, registry, unique, "1").partition("@")[0]
    reference = f"{name}:1"
    job.look()
    for looks_between in (False, True):
        job.engine.docker("rmi", reference)
        if looks_between:
            job.look()
        job.rest()
        job.engine.docker("pull", "--quiet", reference)
        job.rest()
        job.engine.docker("pull", "--quiet", reference)
        job.look()
    told = [(layers, pulled) for each, layers, pulled in job.log() if each == reference]
    assert [pulled for _, pulled in told[-4:]] == [True, False, True, False]
    assert len({layers for layers, _ in told}) == 1


def two_bases(job: Job, unique: str) -> tuple[str, str, str]:
    """Two images to build on, and a Dockerfile that builds on both."""
    bases = [with_busybox(job, f"{unique}-{n}") for n in "ab"]
    dockerfile = (
        f"FROM {bases[0]} AS one\nRUN echo {unique} > /one\n"
        f"FROM {bases[1]}\nCOPY --from=one /one /one\n"
    )
    return bases[0], bases[1], dockerfile


@pytest.mark.engine("docker26", "docker28", "docker28c")
def test_what_a_build_begins_with_is_used(job: Job, unique: str) -> None:
    """Every stage of it, also where all steps are in the cache, and where it fails."""
    one, two, dockerfile = two_bases(job, unique)
    job.rest()
    job.look()
    known = {name: job.counts().get(name, 0) for name in (one, two)}
    for number, tail in enumerate(("", "", "RUN false\n"), start=1):
        with contextlib.suppress(CalledProcessError):
            build(job.engine, dockerfile + tail, "-t", f"localhost/{unique}:new", buildkit=True)
        job.rest()
        job.look()
        assert {name: job.counts()[name] - known[name] for name in known} == {
            one: number,
            two: number,
        }
    images = job.summaries("image")
    assert images[job.image_of(one)].count == job.counts()[one]


@pytest.mark.engine("docker20", "podman", "podman5")
def test_what_a_build_ends_in_tells_what_it_began_with(job: Job, unique: str) -> None:
    """Where no build is remembered: the last stage alone, by the layers of the image it made."""
    one, two, dockerfile = two_bases(job, unique)
    job.rest()
    job.look()
    before = job.counts()
    built = f"localhost/{unique}:new"
    for number in (1, 2):
        build(job.engine, dockerfile, "-t", built, buildkit=job.engine.kind == "docker20")
        job.rest()
        job.look()
        assert job.counts()[two] == before.get(two, 0) + number
    assert job.counts()[built] >= 1
    assert job.counts().get(one, 0) == before.get(one, 0), (
        "docs/explanation/history.md tells that it is not"
    )


@pytest.mark.engine("docker20")
def test_what_buildkit_pulled_itself_is_used_by_its_records(
    job: Job, registry: Registry, unique: str
) -> None:
    """It is no image here; every stage counts, and a build that takes all from the cache."""
    references = []
    for name in (f"{unique}-a", f"{unique}-b"):
        references.append(f"{pushed(job.engine, registry, name, '1').partition('@')[0]}:1")
        job.engine.docker("rmi", references[-1])
    dockerfile = (
        f"FROM {references[0]} AS one\nCOPY rootfs /\n"
        f"FROM {references[1]}\nCOPY --from=one /bin /bin\n"
    )
    job.rest()
    job.look()
    known = job.counts()
    for number in (1, 2):
        build(job.engine, dockerfile, "-t", f"localhost/{unique}:new", buildkit=True)
        job.rest()
        job.look()
        counts = job.counts()
        assert [counts[name] - known[name] for name in references][1] == number
    assert counts[references[0]] > known[references[0]]


@pytest.mark.engine("classic", "containerd")
def test_a_classic_build_uses_what_it_begins_with(job: Job, unique: str) -> None:
    """By the container of its first step; Podman's builds make none that it tells of."""
    reference = with_busybox(job, unique)
    job.rest()
    job.look()
    known = job.counts().get(reference, 0)
    build(job.engine, f"FROM {reference}\nRUN true\n", "-t", f"localhost/{unique}:new")
    job.look()
    assert job.counts()[reference] == known + 1


@pytest.mark.engine("classic", "containerd")
def test_a_classic_build_that_only_copies_uses_what_it_begins_with(job: Job, unique: str) -> None:
    """No step has a container then; and one that has does not count a second time."""
    reference = with_busybox(job, unique)
    tag = ("-t", f"localhost/{unique}-new:1")
    job.rest()
    job.look()
    known = job.counts()
    build(job.engine, f"FROM {reference}\nCOPY rootfs /one\nCOPY rootfs /two\n", *tag)
    job.look()
    assert job.counts()[reference] == known[reference] + 1
    job.rest()
    build(job.engine, f"FROM {reference}\nRUN sleep 1\nCOPY rootfs /three\n", *tag)
    job.look()
    assert job.counts()[reference] == known[reference] + 2
    assert job.summaries("image")[job.image_of(reference)].count == known[reference] + 2


def test_a_restart_of_the_engine_loses_nothing(
    own_engine: Callable[..., Engine],
    tmp_path: Path,
    unique: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was seen stays, nothing counts twice, and what came before it is known to be missing."""
    job = Job(own_engine(), tmp_path, unique, monkeypatch)
    reference = with_busybox(job, unique)
    job.rest()
    job.run(reference)
    job.look()
    known = job.counts()
    job.engine.restart()
    observed = job.look()
    assert job.counts() == known
    assert observed.missed == (() if job.engine.store == "podman" else (NO_EVENTS,))
    job.run(reference, "--rm")
    assert job.look().missed == ()
    assert job.counts()[reference] == known[reference] + 1


@pytest.mark.engine("docker20", "docker28c")
def test_more_events_than_the_engine_keeps(job: Job, unique: str) -> None:
    reference = with_busybox(job, unique)
    job.look()
    for number in range(260):
        path = f"/images/{reference}/tag?repo=localhost/{unique}&tag=t{number % 3}"
        job.engine.api("POST", path)
    observed = job.look()
    assert observed.missed == (MORE_EVENTS,)
    assert job.look().missed == ()


@pytest.mark.engine("docker20", "docker28")
def test_what_holystone_pulls_itself_is_no_use(job: Job, registry: Registry, unique: str) -> None:
    """Else refreshing an image each night would keep it for ever."""
    name = pushed(job.engine, registry, unique, "1").partition("@")[0]
    reference = f"{name}:1"
    job.rest()
    job.look()
    known = job.counts()
    with opened(job.state) as ledger:
        ((key, *_),) = ledger.read(past.engines)
        with ledger.own_pulls(key, [reference]):
            job.engine.docker("pull", "--quiet", reference)
    job.look()
    assert job.counts() == known


@pytest.mark.engine("classic", "containerd")
def test_on_a_first_look_the_last_tag_is_a_hint(job: Job, unique: str) -> None:
    """Where the engine's events do not tell of it any more; a hint is no use."""
    reference = with_busybox(job, unique)
    tagged = f"localhost/{unique}:tagged"
    job.engine.docker("tag", reference, tagged)
    for number in range(260):
        other = f"/images/{reference}/tag?repo=localhost/{unique}&tag=other{number % 2}"
        job.engine.api("POST", other)
    observed = job.look()
    known = job.summaries("reference")
    assert tagged in known
    assert tagged not in [each.reference for each in observed.counted]
    assert abs(known[tagged].last - time.time()) < 60
