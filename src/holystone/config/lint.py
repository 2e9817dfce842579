"""What of a configuration can have no effect, though nothing is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from holystone.config.keys import KEYS, RULES
from holystone.config.load import MEND_HERE, Configuration
from holystone.config.settings import Rule, Settings
from holystone.planner.inventory import Inventory
from holystone.planner.names import digest_names
from holystone.planner.patterns import Labels, covers
from holystone.planner.patterns import names as names_of
from holystone.planner.patterns import references as ready
from holystone.planner.policy import Mark
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
    policy = configuration.policy("routine")
    names = settings.values.get("volumes.names")
    if names and names.value and policy.volumes.remove != "named":
        text = f"without effect, since volumes.remove is {policy.volumes.remove!r}, not 'named'"
        said.append(Remark(names.file, "volumes.names", text))
    if policy.volumes.remove == "named" and not policy.volumes.names:
        given = settings.values["volumes.remove"].file
        text = "named, but volumes.names is empty: only anonymous volumes go"
        said.append(Remark(given, "volumes.remove", text))
    for rule in settings.replaced:
        text = "a nearer file has a rule of this name, which takes its place"
        said.append(Remark(rule.file, _called(rule), text))
    for at, rule in enumerate(settings.rules):
        before = next((each for each in settings.rules[:at] if _takes_all(each, rule)), None)
        if before:
            text = f"can never match: {_called(before)} stands before it and takes all of its tags"
            said.append(Remark(rule.file, _called(rule), text))
    return said


def without_match(configuration: Configuration, inventory: Inventory) -> list[Remark]:
    """What matches nothing that is on the host now."""
    settings = configuration.settings
    if settings is None:
        return []
    references = [name for image in inventory.images for name in image.tags + image.digests]
    store = inventory.engine.store
    names = [
        name
        for image in inventory.images
        for name in (*image.tags, *digest_names(image, store).names)
    ]
    said = _patterns(settings, references)
    said += _labels(settings, inventory)
    said += _rules(settings, names)
    given = settings.values.get("volumes.names")
    told = list(_each(settings, "volumes.names")) if given else []
    patterns = names_of([pattern for _, pattern in told])
    matched = {at for volume in inventory.volumes for at in patterns.matching(volume.name)}
    for at, (file, pattern) in enumerate(told):
        if at not in matched:
            said.append(Remark(file, "volumes.names", f"{pattern!r} matches no volume here"))
    return said + _marks(configuration, inventory.disk.total_bytes)


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


def _labels(settings: Settings, inventory: Inventory) -> list[Remark]:
    containers = [each.labels for each in inventory.containers]
    everything = [
        *containers,
        *(each.labels for each in inventory.images),
        *(each.labels for each in inventory.volumes),
        *(each.labels for each in inventory.networks),
    ]
    said = []
    for key, labelled, what in (
        ("protect.labels", everything, "object"),
        ("containers.keep_labels", containers, "container"),
    ):
        told = list(_each(settings, key))
        patterns = Labels(pattern for _, pattern in told)
        matched = {at for labels in labelled for at in patterns.matching(labels)}
        said += [
            Remark(file, key, f"no {what} here has a label like {pattern!r}")
            for at, (file, pattern) in enumerate(told)
            if at not in matched
        ]
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
            said.append(Remark(rule.file, _called(rule), text))
        for tag in mine:
            decided.setdefault(tag, rule)
    said += [
        Remark(rule.file, _called(rule), "no tag here matches it")
        for rule in settings.also
        if not any(_matches(rule, tag) for tag in tags)
    ]
    return said


def _marks(configuration: Configuration, total: int | None) -> list[Remark]:
    """Whether the watermarks are in order on a disk of this size, where only that can tell."""
    settings = configuration.settings
    if settings is None or total is None:
        return []
    disk = configuration.policy("routine").disk
    said = []
    for name, mark, more in (("low", disk.low, True), ("critical", disk.critical, False)):
        if mark is None:
            continue
        ours, high = mark.least_free(total), disk.high.least_free(total)
        if ours is None or high is None or (ours > high if more else ours < high):
            continue
        given = settings.values.get(f"disk.{name}") or settings.values["disk.high"]
        text = (
            f"on this disk {_told(mark)} leaves {'no more' if more else 'no less'} free than "
            f"disk.high, {_told(disk.high)}"
        )
        said.append(Remark(given.file, f"disk.{name}", text))
    return said


def _told(mark: Mark) -> str:
    kind = next(key.kind for key in KEYS if key.path == "disk.high")
    return str(kind.write(mark))


def _each(settings: Settings, key: str) -> Iterable[tuple[str, str]]:
    """The elements of a list with their files."""
    given = settings.values[key].given if key in settings.values else ()
    return [(each.file, element) for each in given for element in each.value]


def _called(rule: Rule) -> str:
    return f"{RULES} {rule.rule.name!r}"


def _matches(rule: Rule, tag: str) -> bool:
    return not rule.rule.images or bool(covers(rule.rule.images, tag))


def _takes_all(rule: Rule, later: Rule) -> bool:
    """Whether a rule takes every tag that a later one is for, whatever is on a host."""
    patterns = rule.rule.images
    if not patterns:
        return True
    if any(pattern.startswith("!") for pattern in patterns):
        return False
    return bool(later.rule.images) and {
        pattern for pattern in later.rule.images if not pattern.startswith("!")
    } <= set(patterns)
