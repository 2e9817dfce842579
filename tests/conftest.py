"""Fixtures over real engines: which kinds to run, one of each per session, skips that shout.

Tests that ask for ``engine`` or ``fresh_engine`` run once per kind; ``@pytest.mark.engine(...)``
narrows that to kinds or stores (``"docker20"``, ``"classic"``, ``"containerd"``, ``"podman"``).
``--engines docker20,docker28c`` or ``HOLYSTONE_ENGINES_UNDER_TEST`` choose the kinds for the run.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import hypothesis
import pytest

from tests.engines import (
    KINDS,
    Engine,
    EngineUnavailable,
    Registry,
    start_registry,
)
from tests.engines.emptying import NotEmptied, empty
from tests.engines.session import Engines

# No test asserts how long something takes: machines are loaded.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

SKIPPED = pytest.StashKey[Counter[str]]()
"""Why engine tests were skipped, and how many."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that choose engines, and how long to stress them."""
    parser.addoption(
        "--engines",
        default=os.environ.get("HOLYSTONE_ENGINES_UNDER_TEST", ""),
        help=f"kinds of engine to test on, separated by commas (all: {','.join(KINDS)}; or none)",
    )
    parser.addoption(
        "--stress-seconds",
        type=float,
        default=15.0,
        help="for how long the stress test goes on, on each engine (15)",
    )
    parser.addoption(
        "--stress-faults",
        type=int,
        default=2,
        help="how many faults of each kind the stress test makes, on each engine (2)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker and check the option; have Ctrl-C work in a job in the background too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line(
        "markers", "engine(*kinds_or_stores): needs a real engine, of these kinds or stores only"
    )
    config.stash[SKIPPED] = Counter()
    if unknown := set(_chosen(config)) - set(KINDS):
        raise pytest.UsageError(f"--engines: unknown {', '.join(sorted(unknown))}")


def _chosen(config: pytest.Config) -> list[str]:
    option = str(config.getoption("--engines"))
    if option == "none":
        return []
    return [kind.strip() for kind in option.split(",") if kind.strip()] or list(KINDS)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests of an engine once per kind."""
    if "engine_kind" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("engine")
    wanted = marker.args if marker else ()
    kinds = [
        name
        for name in _chosen(metafunc.config)
        if not wanted or name in wanted or KINDS[name].store in wanted
    ]
    metafunc.parametrize("engine_kind", kinds, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what uses an engine or a registry, and leave out what no chosen kind is for.

    Tests of one kind of engine are a group of pytest-xdist: its engine starts in one process only.
    """
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        if {"engines", "registry"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("engine")
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if "engine_kind" in parameters:
            item.add_marker(pytest.mark.xdist_group(str(parameters["engine_kind"])))
        runs = "engine_kind" not in parameters or parameters["engine_kind"] in KINDS
        (kept if runs else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


def _unavailable(config: pytest.Config, reason: str) -> NoReturn:
    """Skip the test and count it; in CI, fail it."""
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(f"{reason} (in CI a skipped engine test is a failure)", pytrace=False)
    config.stash[SKIPPED][reason] += 1
    pytest.skip(reason)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what one of several processes has skipped to the one that tells it."""
    output: dict[str, object] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        skipped = session.config.stash[SKIPPED]
        output["skipped"] = dict(skipped)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add up what the processes of pytest-xdist have skipped."""
    output: dict[str, Any] = getattr(node, "workeroutput", {})
    skipped = node.config.stash[SKIPPED]
    skipped.update(output.get("skipped", {}))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say which engine tests did not run."""
    skipped = config.stash[SKIPPED]
    if skipped:
        terminalreporter.section("ENGINE TESTS SKIPPED", sep="=", yellow=True, bold=True)
        for reason, count in sorted(skipped.items()):
            terminalreporter.write_line(f"{count:5} skipped: {reason}", yellow=True)
        terminalreporter.write_line(f"{skipped.total():5} in all", yellow=True)


@pytest.fixture(scope="session")
def engines(pytestconfig: pytest.Config) -> Iterator[Engines]:
    """The session's engines, by kind: ``engines("docker20")``."""
    session = Engines(lambda reason: _unavailable(pytestconfig, reason))
    yield session
    session.stop()


@pytest.fixture
def engine(engines: Engines, engine_kind: str) -> Engine:
    """A running engine with whatever other tests left in it; once per kind."""
    return engines(engine_kind)


@pytest.fixture
def fresh_engine(engine: Engine) -> Engine:
    """A running engine with nothing in it; once per kind."""
    try:
        empty(engine)
    except NotEmptied:
        engine.restart()
        empty(engine)
    return engine


@pytest.fixture
def own_engine(engines: Engines, engine_kind: str) -> Iterator[Callable[..., Engine]]:
    """Starts engines for this test alone (to kill, or with daemon arguments); once per kind."""
    started: list[Engine] = []

    def start(*arguments: str, **named: str) -> Engine:
        started.append(engines.own(engine_kind, *arguments, **named))
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.fixture(scope="session")
def program(pytestconfig: pytest.Config) -> Callable[[str], str]:
    """Finds a program that scripts/install-engines installs; without it the test is skipped."""

    def find(name: str) -> str:
        return shutil.which(name) or _unavailable(pytestconfig, f"{name} is not installed")

    return find


@pytest.fixture(scope="session")
def registry(pytestconfig: pytest.Config) -> Iterator[Registry]:
    """The session's registry. Repositories in it need names of their own: see ``unique``."""
    try:
        started = start_registry()
    except EngineUnavailable as reason:
        _unavailable(pytestconfig, str(reason))
    yield started
    started.stop()


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> str:
    """A name no other test has, fit for a repository, a container or a seed."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.originalname.lower()).strip("-")
    return (
        f"{words[-40:].strip('-')}-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:8]}"
    )
