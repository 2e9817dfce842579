"""What the agent asks of real engines is what the allow-list for socket proxies has, no more."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holystone.agent.endpoints import ENDPOINTS
from holystone.agent.host_watch import HostWatch
from holystone.agent.jobs import Jobs
from holystone.agent.options import AgentOptions
from holystone.agent.state import FAILED, OK, JobResult, State
from holystone.operations.wishes import Wishes
from holystone.planner.policy import BuilderRules, Policy
from tests.engine.refreshing import move_tag
from tests.engine.restoring import login, pushed
from tests.engine_client.proxy import Front, proxy
from tests.engines import Engine, Registry
from tests.engines.images import SCRATCH, ImageToLoad, build, busybox_layer, layer, load


class Agent:
    """The parts of an agent that ask an engine, before a proxy that notes what they ask."""

    def __init__(self, front: Front, folder: Path) -> None:
        environ = {"DOCKER_CONFIG": str(folder), "HOME": str(folder)}
        options = AgentOptions(host=front.url, state=str(folder / "state"), environ=environ)
        self.front = front
        self.state = State(front.url)
        self.configuration = options.configuration()
        self.watch = HostWatch(options, self.state, lambda _: None)
        self.jobs = Jobs(self.state, threading.Event())

    def policy(self, level: str, **wishes: object) -> Policy:
        policy = Wishes(level, min_age=0.0, **wishes).policy(self.configuration)  # type: ignore[arg-type]
        return policy._replace(builders=BuilderRules(budget=0))

    def look(self, *, whole: bool) -> None:
        self.watch.look(self.policy, look_again=3600.0, whole=whole)
        self.watch.follow(0.01)

    def clean(self, level: str, **wishes: object) -> JobResult:
        session = self.watch.connect()
        return self.jobs.clean(session, self.policy(level, **wishes), level, "test")


@contextmanager
def agent_before(engine: Engine, folder: Path, *, tcp: bool = False) -> Iterator[Agent]:
    with proxy(engine, tcp=tcp) as front:
        agent = Agent(front, folder)
        try:
            yield agent
        finally:
            agent.watch.close()


def fill(engine: Engine, registry: Registry, name: str) -> None:
    """Something of each kind that a clean takes, and an image in use that refresh looks after."""
    pushed(engine, registry, f"{name}/gone", "1", "2")
    pushed(engine, registry, f"{name}/used", "1")
    base = layer(f"{name} base", 100_000)
    pair = (ImageToLoad([base, layer(f"{name} {n}")], [f"localhost/{name}:{n}"]) for n in "ab")
    load(engine, ImageToLoad([busybox_layer()], [f"localhost/{name}:box"]), *pair)
    step = f"RUN echo {name} > /x\n"
    build(engine, SCRATCH + step, "-t", f"localhost/{name}:built", buildkit=True)
    for command in (
        ("network", "create", f"{name}-net"),
        ("volume", "create", f"{name}-vol"),
        ("create", "--name", f"{name}-user", f"{registry.address}/{name}/used:1", "x"),
        ("run", "--name", f"{name}-ended", f"localhost/{name}:box", "/bin/busybox", "true"),
        # A builder outside the engine, without the program that the agent runs in it.
        ("run", "--detach", "--network", "none", "--name", f"buildx_buildkit_{name}0",
         "--volume", f"buildx_buildkit_{name}0_state:/state",
         f"localhost/{name}:box", "/bin/busybox", "sleep", "1000"),
    ):  # fmt: skip
        engine.docker(*command)


@pytest.mark.engine("docker20", "docker28c")
def test_what_is_asked_is_what_the_list_has(
    fresh_engine: Engine, registry: Registry, tmp_path: Path, unique: str
) -> None:
    engine = fresh_engine
    (tmp_path / "config.json").write_text(json.dumps(login(registry)))
    asked: list[str] = []
    with agent_before(engine, tmp_path) as agent:
        agent.look(whole=True)
        fill(engine, registry, unique)
        agent.look(whole=False)
        agent.look(whole=True)
        session = agent.watch.connect()
        move_tag(engine, registry, f"{unique}/used", "1")
        done = [
            agent.jobs.observe(session, "test"),
            agent.jobs.verify(session, "test"),
            agent.jobs.refresh(session, agent.policy("routine"), "test"),
            agent.clean("routine", cache_budget=0),
            agent.clean("weekly", until_used=0.0001),
            agent.clean("deep", cache_budget=0, include_local=True, volumes="named"),
        ]
        done.append(agent.jobs.restore(session, done[4].run, (), "test"))
        agent.look(whole=False)
        # No disk gets as empty as the weekly clean is to make this one.
        wrong = [(each.job, each.said) for each in done if each.result != OK]
        assert [job for job, _ in wrong] == ["weekly"], wrong
        asked += agent.front.requests
    # A proxy that hides the engine's name and allows no gRPC, on another machine.
    fill(engine, registry, f"{unique}-2")
    with agent_before(engine, tmp_path, tcp=True) as agent:
        agent.front.forbidden, agent.front.unnamed = "/grpc", True
        agent.look(whole=True)
        assert agent.clean("routine", cache_budget=0).result == OK
        asked += agent.front.requests
    # An engine that fails to remove something: it is asked whether that is there still.
    with agent_before(engine, tmp_path) as agent:
        agent.front.fails = "DELETE .*/(networks|volumes)/"
        assert agent.clean("deep", include_local=True, volumes="named").result == FAILED
        asked += agent.front.requests
    requests = [request.split(" ") for request in asked]
    allowed = {(m, path): [e for e in ENDPOINTS if e.matches(m, path)] for m, path in requests}
    assert [request for request, fits in allowed.items() if not fits] == []
    seen = {endpoint for fits in allowed.values() for endpoint in fits}
    unseen = [f"{each.method} {each.path}" for each in ENDPOINTS if each not in seen]
    assert unseen == []
