"""Lint: valid settings that have no effect."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from holystone.config.keys import RULES
from holystone.config.kinds import MARK
from holystone.config.load import MEND_HERE, Configuration
from holystone.config.settings import Rule, Settings
from holystone.planner.builders import builders_of
from holystone.planner.inventory import Inventory
from holystone.planner.names import digest_names
from holystone.planner.patterns import Labels, covers
from holystone.planner.patterns import names as names_of
from holystone.planner.patterns import references as ready
from holystone.planner.policy import Budget, Watermarks
from holystone.planner.reference import parsed_or_none

FULL_SAY = f"A file found in the current folder can only protect more; {MEND_HERE}"


class Remark(NamedTuple):
    """Something of the configuration that the owner may have meant otherwise."""

    file: str
    key: str
    text: str


def remarks(configuration: Configuration) -> list[Remark]:
    """What can have no effect on any host."""
    docker = configuration.docker
    said = []
    if docker.problem:
        text = f"{docker.problem}, so its pruneFilters protect nothing here"
        said.append(Remark(docker.path, "", text))
    for text in docker.ignored:
        mend = "holystone takes only filters on labels from there; see [grace] and [protect]"
        said.append(Remark(docker.path, "pruneFilters", f"{text!r} is passed over: {mend}"))
    settings = configuration.settings
    if settings is None:
        return said
    for fault in settings.without_effect:
        text = f"line {fault.line}: {fault.problem}. {FULL_SAY}"
        said.append(Remark(fault.file, fault.key, text))
    volumes = configuration.policy("routine").volumes
    names = settings.values.get("volumes.names")
    if names and names.value and volumes.remove != "named":
        text = f"without effect, since volumes.remove is {volumes.remove!r}, not 'named'"
        said.append(Remark(names.file, "volumes.names", text))
    budgets = settings.values.get("volumes.budgets")
    if budgets and budgets.value and volumes.remove == "never":
        text = "without effect, since volumes.remove is 'never'"
        said.append(Remark(budgets.file, "volumes.budgets", text))
    if volumes.remove == "named" and not volumes.names:
        given = settings.values["volumes.remove"].file
        text = "named, but volumes.names is empty: only anonymous volumes go"
        said.append(Remark(given, "volumes.remove", text))
    text = "a nearer file has a rule of this name, which takes its place"
    said += [_of_rule(rule, text) for rule in settings.replaced]
    for at, rule in enumerate(settings.rules):
        before = next((each for each in settings.rules[:at] if _takes_all(each, rule)), None)
        if before:
            text = f"can never match: {_called(before)} stands before it and takes all of its tags"
            said.append(_of_rule(rule, text))
    return said


def without_match(configuration: Configuration, inventory: Inventory) -> list[Remark]:
    """What matches nothing that is on the host now."""
    settings = configuration.settings
    if settings is None:
        return []
    references = [name for image in inventory.images for name in image.tags + image.digests]
    store = inventory.engine.store
    tags = [
        name
        for image in inventory.images
        for name in (*image.tags, *digest_names(image, store).names)
    ]
    containers = [each.labels for each in inventory.containers]
    others: list[Any] = [*inventory.images, *inventory.volumes, *inventory.networks]
    every = containers + [each.labels for each in others]
    volumes = [volume.name for volume in inventory.volumes]
    builders = [builder.name for builder in builders_of(inventory)]
    on = "no {} here has a label like {{!r}}".format
    return [
        *_patterns(settings, references),
        *_unmatched(settings, "protect.labels", Labels, every, on("object")),
        *_unmatched(settings, "containers.keep_labels", Labels, containers, on("container")),
        *_rules(settings, tags),
        *_unmatched(settings, "volumes.names", names_of, volumes, "{!r} matches no volume here"),
        *_unmatched(settings, "volumes.budgets", names_of, volumes, "{!r} matches no volume here"),
        *_unmatched(settings, "builders.budgets", names_of, builders, "{!r} is no builder here"),
        *_marks(settings, configuration.policy("routine").disk, inventory.disk.total_bytes),
    ]


def _unmatched(
    settings: Settings,
    key: str,
    ready: Callable[[list[str]], Any],
    things: Iterable[Any],
    text: str,
) -> list[Remark]:
    """The patterns of a list, of all files, that match none of these labels or names."""
    given = settings.values[key].given if key in settings.values else ()
    written = [
        (each.file, pattern.pattern if isinstance(pattern, Budget) else pattern)
        for each in given
        for pattern in each.value
    ]
    patterns = ready([pattern for _, pattern in written])
    found = {at for thing in things for at in patterns.matching(thing)}
    return [
        Remark(file, key, text.format(pattern))
        for at, (file, pattern) in enumerate(written)
        if at not in found
    ]


def _patterns(settings: Settings, references: Sequence[str]) -> list[Remark]:
    key, said = "protect.images", []
    given = settings.values[key].given if key in settings.values else ()
    here = [parsed for each in references if (parsed := parsed_or_none(each)) is not None]
    for file, patterns in given:
        matched: set[int] = set()
        excepted: set[int] = set()
        for reference in here:
            covered = False
            for at in ready(patterns).matching(reference):
                matched.add(at)
                if patterns[at][0] == "!" and covered:
                    excepted.add(at)
                covered = patterns[at][0] != "!"
        for at, pattern in enumerate(patterns):
            if at not in matched:
                said.append(Remark(file, key, f"{pattern!r} matches no image here"))
            elif pattern[0] == "!" and at not in excepted:
                text = f"{pattern!r} excepts no image here that a pattern before it covers"
                said.append(Remark(file, key, text))
    return said


def _rules(settings: Settings, tags: Sequence[str]) -> list[Remark]:
    said = []
    decided: dict[str, Rule] = {}
    for at, rule in enumerate(settings.rules):
        mine = [tag for tag in tags if _matches(rule, tag)]
        earlier = {decided[tag].rule.name: decided[tag] for tag in mine if tag in decided}
        shadowed = any(_takes_all(each, rule) for each in settings.rules[:at])
        if not shadowed and all(tag in decided for tag in mine):
            text = "no tag here matches it"
            if earlier:
                names = " and ".join(map(_called, earlier.values()))
                text = f"every tag here that matches it goes to {names} before it"
            said.append(_of_rule(rule, text))
        for tag in mine:
            decided.setdefault(tag, rule)
    unmatched = (each for each in settings.also if not any(_matches(each, tag) for tag in tags))
    return said + [_of_rule(rule, "no tag here matches it") for rule in unmatched]


def _marks(settings: Settings, disk: Watermarks, total: int | None) -> list[Remark]:
    """Whether the watermarks are in order on a disk of this size, where only that can tell."""
    said = []
    for name, mark, more in (("low", disk.low, True), ("critical", disk.critical, False)):
        ours = mark.least_free(total) if mark and total is not None else None
        high = disk.high.least_free(total) if total is not None else None
        if ours is None or high is None or (ours > high if more else ours < high):
            continue
        given = settings.values.get(f"disk.{name}") or settings.values["disk.high"]
        text = (
            f"on this disk {MARK.write(mark)} leaves {'no more' if more else 'no less'} free than "
            f"disk.high, {MARK.write(disk.high)}"
        )
        said.append(Remark(given.file, f"disk.{name}", text))
    return said


def _of_rule(rule: Rule, text: str) -> Remark:
    return Remark(rule.file, _called(rule), text)


def _called(rule: Rule) -> str:
    return f"{RULES} {rule.rule.name!r}"


def _matches(rule: Rule, tag: str) -> bool:
    return not rule.rule.images or bool(covers(rule.rule.images, tag))


def _takes_all(rule: Rule, later: Rule) -> bool:
    """Whether a rule takes every tag that a later rule matches, on any host."""
    patterns = rule.rule.images
    if any(pattern.startswith("!") for pattern in patterns):
        return False
    wanted = {pattern for pattern in later.rule.images if not pattern.startswith("!")}
    return not patterns or (bool(later.rule.images) and wanted <= set(patterns))
