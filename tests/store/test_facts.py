"""What is remembered of images is what was learned, for as long as the images are there."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holystone.planner.inventory import Layer, chain_ids
from holystone.store.opening import open_database
from holystone.store.store import Store
from holystone.usage.store_port import ImageFacts
from tests.engines.places import REPOSITORY
from tests.store.examples import no_warning

ENGINE = "engine/classic"


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Store]:
    opened = Store(str(tmp_path), no_warning)
    yield opened
    opened.close()


def weighed(*diff_ids: str, exact: bool = True, extra: int = 0) -> ImageFacts:
    """Facts of an image with these layers; a layer's size follows from its chain ID."""
    layers = [Layer(chain, int(chain[-4:], 16) + extra) for chain in chain_ids(stack(*diff_ids))]
    return ImageFacts(5.0, layers=tuple(layers), exact=exact, diff_ids=stack(*diff_ids))


def stack(*names: str) -> tuple[str, ...]:
    return tuple(f"sha256:{name * 64}" for name in names)


def layer_rows(folder: Path) -> int:
    database = open_database(str(folder)).connection
    (count,) = database.execute("SELECT count(*) FROM layer").fetchone()
    database.close()
    return int(count)


moments = st.floats(0, 4e9)
stacks = st.lists(st.sampled_from("abc"), max_size=4).map(tuple)


@st.composite
def facts_of(draw: st.DrawFn, names: tuple[str, ...]) -> ImageFacts:
    """Anything that can be known of an image with this stack."""
    known = draw(st.sampled_from(["nothing", "diff IDs", "layers"]))
    if not names and known == "diff IDs":
        known = "layers"  # Without a layer there is nothing to weigh.
    base = weighed(*names, exact=draw(st.booleans()))
    return ImageFacts(
        first_seen=draw(moments),
        last_tagged=draw(st.none() | moments),
        made_by_buildkit=draw(st.booleans()),
        inspected=draw(st.booleans()),
        layers=base.layers if known == "layers" else None,
        exact=base.exact if known == "layers" else True,
        diff_ids=base.diff_ids if known != "nothing" else None,
    )


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, ImageFacts]]:
    """News of a few images, one lot after the other."""
    images = draw(st.dictionaries(st.sampled_from("12345678"), stacks, min_size=1))
    lots = st.dictionaries(st.sampled_from(sorted(images)), st.none())
    return [
        {image: draw(facts_of(images[image])) for image in lot}
        for lot in draw(st.lists(lots, min_size=1, max_size=4))
    ]


@given(histories())
def test_what_was_remembered_is_recalled(lots: list[dict[str, ImageFacts]]) -> None:
    """Any facts, from a file that was closed in between; layers once known stay known."""
    expected: dict[str, ImageFacts] = {}
    with tempfile.TemporaryDirectory() as folder:
        for lot in lots:
            memory = Store(folder, no_warning)
            memory.remember(ENGINE, lot, {*expected, *lot})
            memory.close()
            for image, fact in lot.items():
                before = expected.get(image, fact)
                expected[image] = fact._replace(
                    diff_ids=fact.diff_ids if fact.diff_ids is not None else before.diff_ids,
                    layers=fact.layers if fact.layers is not None else before.layers,
                    exact=fact.exact if fact.layers is not None else before.exact,
                )
        memory = Store(folder, no_warning)
        assert memory.recall(ENGINE) == expected
        assert memory.recall(ENGINE, layers=False) == {
            image: fact._replace(layers=None, diff_ids=None) for image, fact in expected.items()
        }
        memory.close()


def test_a_shared_layer_is_kept_once(memory: Store, tmp_path: Path) -> None:
    """Stacks are a tree: two images on one base have its rows in common."""
    news = {"1": weighed("a", "b", "c"), "2": weighed("a", "b", "d"), "3": weighed("a")}
    memory.remember(ENGINE, news, news)
    assert memory.recall(ENGINE) == news
    assert layer_rows(tmp_path) == 4


def test_images_that_are_gone_are_forgotten_with_their_layers(
    memory: Store, tmp_path: Path
) -> None:
    """What only they held goes; what others stand on stays, and can be built on again."""
    news = {"1": weighed("a", "b", "c"), "2": weighed("a", "d")}
    memory.remember(ENGINE, news, news)
    memory.remember(ENGINE, {"3": weighed("a")}, {"2", "3"})
    assert memory.recall(ENGINE) == {"2": news["2"], "3": weighed("a")}
    assert layer_rows(tmp_path) == 2
    memory.remember(ENGINE, {"1": news["1"]}, {"1"})
    assert memory.recall(ENGINE) == {"1": news["1"]}
    assert layer_rows(tmp_path) == 3
    memory.remember(ENGINE, {}, ())
    assert memory.recall(ENGINE) == {}
    assert layer_rows(tmp_path) == 0


def test_engines_are_kept_apart(memory: Store) -> None:
    """The same image on two engines, weighed differently; one engine forgets, the other not."""
    here, there = {"1": weighed("a", "b")}, {"1": weighed("a", "b", extra=4096)}
    memory.remember("here", here, here)
    memory.remember("there", there, there)
    assert memory.recall("here") == here
    memory.remember("here", {}, ())
    assert memory.recall("here") == {}
    assert memory.recall("there") == there
    assert memory.recall("elsewhere") == {}


def test_an_image_has_no_layers_until_it_was_weighed_itself(memory: Store) -> None:
    """Another may have weighed the same layers, but only as well as its own history tells."""
    news = {
        "rough": weighed("a", "b", exact=False),
        "unknown": ImageFacts(5.0, diff_ids=stack("a", "b")),
    }
    memory.remember(ENGINE, news, news)
    assert memory.recall(ENGINE) == news


def test_what_cannot_be_kept_is_said_once(tmp_path: Path) -> None:
    """A number no file can hold: one warning, nothing fails, and what comes after it is kept."""
    warnings: list[str] = []
    memory = Store(str(tmp_path), warnings.append)
    huge = ImageFacts(5.0, layers=(Layer(stack("a")[0], 2**70),), diff_ids=stack("a"))
    memory.remember(ENGINE, {"1": huge}, {"1"})
    memory.remember(ENGINE, {"1": huge}, {"1"})
    assert memory.recall(ENGINE) == {}
    memory.remember(ENGINE, {"1": weighed("a")}, {"1"})
    assert memory.recall(ENGINE) == {"1": weighed("a")}
    memory.close()
    (warning,) = warnings
    assert str(tmp_path) in warning
    assert warning.endswith("Going on; nothing of this run is remembered.")


def test_what_is_read_is_of_one_moment(tmp_path: Path) -> None:
    """Another process writes between two statements of one reading."""
    memory, other = (Store(str(tmp_path), no_warning) for _ in range(2))
    memory.remember(ENGINE, {"1": weighed("a")}, {"1"})

    def count(database: sqlite3.Connection) -> tuple[int, int]:
        tables = []
        for table in ("layer", "image"):
            tables.append(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
            other.remember(ENGINE, {"2": weighed("b")}, {"1", "2"})
        return tables[0], tables[1]

    assert memory.read(count) == (1, 1)
    assert memory.read(count) == (2, 2)
    memory.close()
    other.close()


WRITER = """
import sys
from tests.store.test_facts import ENGINE, no_warning, weighed
from holystone.store.store import Store
folder, name = sys.argv[1:]
everything = {f"{who} {n}" for who in "xyz" for n in range(30)}
for n in range(30):
    memory = Store(folder, no_warning)
    memory.remember(ENGINE, {f"{name} {n}": weighed("a", "b", name)}, everything)
    assert memory.recall(ENGINE)[f"{name} {n}"] == weighed("a", "b", name)
    memory.close()
"""


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    """Three of them make the file together and write 30 times each; no warning, all is there."""
    folder = tmp_path / "new" / "state"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, folder, name], stderr=subprocess.PIPE, cwd=REPOSITORY
        )
        for name in "xyz"
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert (writer.returncode, errors.decode()) == (0, "")
    memory = Store(str(folder), no_warning)
    assert memory.recall(ENGINE) == {
        f"{name} {n}": weighed("a", "b", name) for name in "xyz" for n in range(30)
    }
    memory.close()
    assert layer_rows(folder) == 5
