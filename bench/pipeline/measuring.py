"""Runs the pipeline on real engines under every policy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from bench.pipeline.bases import bases, push, push_packages
from bench.pipeline.jobs import BLUNT, POLICIES, Run, Runner, Shop
from bench.pipeline.link import Link
from bench.pipeline.report import Setting, Sizes, today
from tests.engines import Registry, start_engine, start_registry


@contextmanager
def filled_registry(sizes: Sizes) -> Iterator[tuple[Registry, Shop]]:
    """A registry with the base images in it, and the packages that the builds download."""
    registry = start_registry()
    try:
        for base in bases(sizes.python, sizes.node, sizes.ml):
            push(registry, base)
        yield registry, Shop(push_packages(registry, sizes.packages), sizes.packages)
    finally:
        registry.stop()


def measure(
    registry: Registry,
    shop: Shop,
    kind: str,
    builder: str,
    sizes: Sizes,
    policies: Sequence[str] = tuple(POLICIES),
) -> Setting:
    """The pipeline on one kind of engine with one builder.

    The blunt prune, which is all waiting for the link, runs beside the others; those take turns.
    """
    blunt = [policy for policy in policies if policy == BLUNT]
    others = [policy for policy in policies if policy != BLUNT]

    def lane(policies: Sequence[str]) -> dict[str, list[Run]]:
        with ExitStack() as stack:
            runners = []
            for policy in policies:
                engine = start_engine(kind)
                stack.callback(engine.stop)
                link = stack.enter_context(Link(registry.port, sizes.rate))
                runners.append(
                    Runner(
                        *(engine, link, policy, shop),
                        builder=builder,
                        work=sizes.work,
                    )
                )
            runs: dict[str, list[Run]] = {policy: [] for policy in policies}
            for number in range(1, sizes.runs + 1):
                for runner in runners:
                    run = runner.run(number)
                    runs[runner.policy].append(run)
                    print(
                        f"{kind} {builder}, {runner.policy}, run {number}: {run.seconds:.1f} s "
                        f"({run.cleaning:.1f} s cleaning), {run.pulled / 1e6:.1f} MB pulled, "
                        f"{run.disk / 1e6:.0f} MB on disk",
                        flush=True,
                    )
            return runs

    with ThreadPoolExecutor(2) as pool:
        first, rest = pool.map(lane, (blunt, others))
    both = {**first, **rest}
    return Setting(kind, builder, {policy: both[policy] for policy in policies}, today())
