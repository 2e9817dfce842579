"""``make mutants``: change the planner in one place at a time and see whether its own tests notice.

mutmut makes the changes (mutants): an operator, a number, a text, an argument, a condition; here
``min`` and ``max`` change places too. Each mutant of a random sample runs ``tests/planner`` in a
child process until a test fails. One that none fails for is printed as a diff: a test is missing,
or it changes nothing that can be observed. The latter are listed, each with its reason, in
``bench/mutants_equivalent.toml`` and left out of the sample.
"""

from __future__ import annotations

import argparse
import difflib
import importlib.machinery
import importlib.util
import os
import random
import resource
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import hypothesis
import libcst as cst
import pytest
from libcst.metadata import MetadataWrapper
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

PACKAGE = "holystone.planner"
ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "holystone" / "planner"
EQUIVALENT = Path(__file__).parent / "mutants_equivalent.toml"
TESTS = "tests/planner"
FIRST = tuple(f"tests/planner/test_{name}.py" for name in ("cases", "boundaries", "saved_plan"))
"""Most mutants fail here, within a second."""
MEMORY = 4 << 30
"""Bytes of address space after which a mutant that grows without end is stopped."""


class Change(NamedTuple):
    """The lines that a mutant takes out and puts in, without their indentation."""

    line: str
    becomes: str


class Mutant(NamedTuple):
    """A module of the planner with one change."""

    module: str
    source: str
    diff: str
    change: Change


class _Visitor(MutationVisitor):
    """mutmut's, for properties as well: nothing here is called through its trampolines."""

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        return not isinstance(node, cst.FunctionDef) and super()._skip_node_and_children(node)


def _swap_min_max(node: cst.Call) -> Iterable[cst.Call]:
    other = {"min": "max", "max": "min"}
    if isinstance(node.func, cst.Name) and node.func.value in other:
        yield node.with_changes(func=cst.Name(other[node.func.value]))


class Module:
    """One module with all the changes that can be made inside its functions."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.source = path.read_text()
        operators = [*mutation_operators, (cst.Call, _swap_min_max)]
        visitor = _Visitor(operators, IgnoredCode(set(), set(), set()))
        self._tree = MetadataWrapper(cst.parse_module(self.source)).visit(visitor)
        self.mutations = [
            mutation
            for mutation in visitor.mutations
            if isinstance(mutation.contained_by_top_level_function, cst.FunctionDef)
        ]

    def mutant(self, number: int) -> Mutant:
        """The module with this one of its changes."""
        mutation = self.mutations[number]
        changed = self._tree.deep_replace(mutation.original_node, mutation.mutated_node)
        assert isinstance(changed, cst.Module)
        before, after = self.source.splitlines(), changed.code.splitlines()
        diff = list(difflib.unified_diff(before, after, self.name, self.name, lineterm="", n=2))
        out, put = (
            " ".join(line[1:].strip() for line in diff[2:] if line.startswith(sign))
            for sign in "-+"
        )
        return Mutant(self.name, changed.code, "\n".join(diff[2:]), Change(out, put))


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module from other source than that of its file."""

    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self.source = source

    def get_code(self, fullname: str) -> object:  # type: ignore[override]
        return compile(self.source, self.path, "exec", dont_inherit=True)


class _Finder:
    """Finds the mutated module instead of the real one."""

    def __init__(self, mutant: Mutant) -> None:
        self.name = f"{PACKAGE}.{mutant.module}"
        path = str(SOURCE / f"{mutant.module}.py")
        self.loader = _Loader(self.name, path, mutant.source)

    def find_spec(
        self, name: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.loader.path, loader=self.loader)


def run_tests(mutant: Mutant | None, seconds: int, *tests: str) -> tuple[bool, float]:
    """Whether all tests pass with this mutant in place, and the CPU time they took."""
    pid = os.fork()
    if pid:
        _, status, used = os.wait4(pid, 0)
        return status == 0, used.ru_utime + used.ru_stime
    if mutant is not None:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        sys.meta_path.insert(0, _Finder(mutant))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    options = ["-x", "-q", "-p", "no:cacheprovider", "--assert", "plain", "--tb", "no"]
    options += ["--engines", "none", "--hypothesis-profile", "mutants"]
    os._exit(int(pytest.main([*options, *tests])))


def chosen(
    modules: Sequence[Module], count: int, seed: int, known: set[Change]
) -> Iterator[Mutant]:
    """A random sample of the mutants that are not known to be equivalent."""
    places = [(module, number) for module in modules for number in range(len(module.mutations))]
    random.Random(seed).shuffle(places)
    for module, number in places:
        if count <= 0:
            return
        mutant = module.mutant(number)
        if mutant.change not in known:
            count -= 1
            yield mutant


def main() -> int:
    """Run the sample, print survivors and the score by module."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="how many mutants to try (200)")
    parser.add_argument("--seed", type=int, default=1, help="which sample (1)")
    parser.add_argument("modules", nargs="*", help="modules of the planner (all of them)")
    options = parser.parse_args()
    paths = {path.stem: path for path in sorted(SOURCE.glob("*.py"))}
    if unknown := sorted(set(options.modules) - set(paths)):
        parser.error(f"the planner has no module {', '.join(unknown)}")
    modules = [Module(paths[name]) for name in options.modules or paths]
    table = tomllib.loads(EQUIVALENT.read_text()).get("equivalent", ())
    known = {Change(each["line"], each["becomes"]) for each in table}
    # To look for the smallest example that fails takes longer than to find one.
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile(
        "mutants", deadline=None, derandomize=True, phases=phases, database=None
    )
    os.chdir(ROOT)
    passed, usual = run_tests(None, 600, TESTS)
    if not passed:
        parser.error("the tests fail without any mutant")
    total = sum(len(module.mutations) for module in modules)
    print(f"{total} mutants in {len(modules)} modules; the tests take {usual:.0f} s", flush=True)
    tried: Counter[str] = Counter()
    killed: Counter[str] = Counter()
    for mutant in chosen(modules, options.count, options.seed, known):
        passed = all(run_tests(mutant, int(3 * usual) + 10, *each)[0] for each in (FIRST, [TESTS]))
        tried[mutant.module] += 1
        killed[mutant.module] += not passed
        survived = f"\nsurvived in {mutant.module}:\n{mutant.diff}\n" if passed else "."
        print(survived, end="", flush=True)
    print()
    for name, count in sorted(tried.items()):
        print(f"{name:20} {killed[name]:4} of {count:4} killed")
    share = 100 * killed.total() / max(1, tried.total())
    print(f"{'all':20} {killed.total():4} of {tried.total():4} killed, {share:.1f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())
