"""Use in the ledger: folded by whoever looks, each use once, and bounded."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from holystone.planner.demand import Company
from holystone.planner.inventory import CacheRecord
from holystone.planner.usage import Use
from holystone.store.folder import FILE
from holystone.store.migrations import MIGRATIONS
from holystone.usage.sighting import Bookmark, Sighting
from tests.store.examples import KEY, NOW, opened, seen

NODE = "docker.io/library/node:18"
DAY = 86400.0
SECOND = 10**9


def test_what_was_seen_is_known_to_the_next(tmp_path: Path) -> None:
    """Of each engine apart; how far its past was read as well."""
    record = CacheRecord("r", created=NOW - 100.0, last_used=NOW, usage_count=2)
    read = Bookmark(events=7, builds=5.0)
    with opened(tmp_path) as ledger:
        assert ledger.recall_bookmark(KEY) == Bookmark()
        assert ledger.recall_summaries(KEY, "reference") == {}
        volumes = (("volume", "v"), ("network", "n"))
        sighting = Sighting(NOW, NODE, "i", until=NOW + 5, objects=volumes)
        folded = ledger.fold(KEY, seen(sighting, read=read, cache=(record,), present=volumes))
        assert folded is not None
        assert folded.counted == (sighting,)
        ledger.fold("other", seen(Sighting(NOW + 9, NODE, "i")))
    with opened(tmp_path) as ledger:
        use = Use(NOW, NOW + 5, 1, None, NOW)
        assert ledger.recall_summaries(KEY, "reference") == {NODE: use}
        assert ledger.recall_summaries(KEY, "image") == {"i": use}
        assert ledger.recall_summaries(KEY, "cache") == {"r": Use(NOW - 100, NOW, 2, 100.0)}
        assert ledger.recall_uses(KEY) == {
            ("image", "i"): NOW + 5,
            ("volume", "v"): NOW + 5,
            ("network", "n"): NOW + 5,
        }
        assert ledger.recall_bookmark(KEY) == replace(read, looked=NOW)
        assert ledger.recall_uses("other") == {("image", "i"): NOW + 9}


def test_the_reference_outlives_its_image_and_passes_to_the_next(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.fold(KEY, seen(Sighting(NOW, NODE, "old")))
        ledger.fold(KEY, seen(Sighting(NOW + 600, NODE, "new")))
        assert ledger.recall_summaries(KEY, "reference") == {NODE: Use(NOW, NOW + 600, 2, 600.0)}
        assert ledger.recall_summaries(KEY, "image") == {"new": Use(NOW + 600, NOW + 600)}
        ledger.fold(KEY, seen(at=NOW + 700))
        assert ledger.recall_summaries(KEY, "image") == {}
        assert set(ledger.recall_summaries(KEY, "reference")) == {NODE}


def test_two_that_read_the_same_events_count_them_once(tmp_path: Path) -> None:
    """Each opened the ledger before the other wrote; also an image that came back is told once."""
    events = [
        Sighting(NOW + 100 * n, NODE, "i", pulled=n % 2 == 0, event=int(NOW + 100 * n) * SECOND)
        for n in range(20)
    ]
    reads = [Bookmark(), Bookmark(events=events[4].event)]

    def look(number: int) -> int:
        new = [each for each in events if each.event > reads[number % 2].events]
        with opened(tmp_path) as ledger:
            for start in range(0, len(new), 3):
                batch = new[: start + 3]
                read = Bookmark(events=batch[-1].event)
                ledger.fold(KEY, seen(*batch, read=read, present={("image", "i")}))
            return len(new)

    with opened(tmp_path) as ledger:
        ledger.fold(KEY, seen(*events[:5], read=reads[1]))
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(look, range(4))) == {15, 20}
    with opened(tmp_path) as ledger:
        (use,) = ledger.recall_summaries(KEY, "reference").values()
        assert (use.first, use.last, use.count) == (NOW, NOW + 1900, 20)
        logged = ledger.read(lambda d: d.execute("SELECT at, pulled FROM past_use").fetchall())
        assert sorted(logged) == [(NOW + 100 * n, n % 2 == 0) for n in range(20)]


def test_what_is_used_together_is_known(tmp_path: Path) -> None:
    """However many looks it comes in; a layer that had to be pulled again is no use."""
    redis = "docker.io/library/redis:7"
    with opened(tmp_path) as ledger:
        whole = Company()
        last = {NODE: 0.0, redis: 0.0}
        for number in range(30):
            now = NOW + 3600 * number
            uses = [Sighting(now, NODE, "i"), Sighting(now + 120, redis, "j")]
            for use in uses:
                whole.used(use.reference, use.at, last[use.reference])
                last[use.reference] = use.at
            again = Sighting(now + 130, redis, "j", pulled=True)
            if number % 2:
                ledger.fold(KEY, seen(uses[0], present={("image", "j")}))
                ledger.fold(KEY, seen(uses[1], again, present={("image", "i")}))
            else:
                ledger.fold(KEY, seen(*uses, again))
        known = ledger.recall_company(KEY)
        assert known == {name: whole.followers(name) for name in (NODE, redis)}
        assert known[NODE].counts[redis] > 10
        assert ledger.recall_company("other") == {}


def test_how_far_the_past_was_read_never_goes_back(tmp_path: Path) -> None:
    """Of two that looked at once the slower one knows less."""
    with opened(tmp_path) as ledger:
        ledger.fold(KEY, seen(at=NOW, read=Bookmark(events=9, builds=9.0)))
        ledger.fold(KEY, seen(at=NOW - 5, read=Bookmark(events=5, builds=5.0)))
        assert ledger.recall_bookmark(KEY) == Bookmark(9, builds=9.0, looked=NOW)


def test_references_nobody_uses_are_forgotten(tmp_path: Path) -> None:
    """After half a year; and the oldest, where builds tag each result anew."""
    with opened(tmp_path) as ledger:
        ledger.fold(KEY, seen(Sighting(NOW - 181 * DAY, "r.example.com/old:1", "i")))
        ledger.fold(KEY, seen(Sighting(NOW - 179 * DAY, "r.example.com/young:1", "i")))
        ledger.fold(KEY, seen(Sighting(NOW, NODE, "i")))
        assert set(ledger.recall_summaries(KEY, "reference")) == {"r.example.com/young:1", NODE}
        many = [Sighting(NOW + n, f"r.example.com/app:{n}", "i") for n in range(10_001)]
        ledger.fold(KEY, seen(*many, at=NOW + DAY))
        kept = ledger.recall_summaries(KEY, "reference")
        assert len(kept) == 9_001
        assert set(ledger.recall_company(KEY)) == set(kept)
        assert "r.example.com/app:10000" in kept
        assert NODE not in kept


def test_what_holystone_pulls_itself_is_no_use(tmp_path: Path) -> None:
    """From before the pull to after it; where nobody wrote that it ended, for some hours."""
    with opened(tmp_path) as ledger:
        with ledger.own_pulls(KEY, ["node:18", "not a reference!"]):
            during = ledger.recall_bookmark(KEY)
        after = ledger.recall_bookmark(KEY)
        assert [each.reference for each in after.own_pulls] == [NODE]
        (own,) = after.own_pulls
        assert own.ended - own.began < 60
        assert during.own_pulls[0].ended - own.began > 3600
        pulled = Sighting(own.began + 2.0, NODE)
        assert after.is_own(pulled)
        assert not after.is_own(pulled._replace(at=own.ended + 1))
        assert not after.is_own(pulled._replace(reference="docker.io/library/node:20"))
        assert ledger.recall_bookmark("other").own_pulls == ()


def test_last_uses_of_an_older_ledger_are_taken_over(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / FILE)
    for script in MIGRATIONS[:3]:
        database.executescript(script)
    database.execute("INSERT INTO last_use VALUES (?, 'image', 'i', ?)", (KEY, NOW))
    database.execute("PRAGMA user_version = 3")
    database.commit()
    database.close()
    with opened(tmp_path) as ledger:
        assert ledger.recall_uses(KEY) == {("image", "i"): NOW}
        assert ledger.recall_summaries(KEY, "image") == {"i": Use(NOW, NOW)}
