"""Golden cases of the planner: read from files a person can read, written in ``cases/*.toml``.

A case is a host, a policy and the verdicts that must come of them. One line is one object:

    [images]      app = { tags = ["app:1"], layers = "debian 75MB, app 20MB", built = "2h" }
    [containers]  job = { image = "app", state = "exited", stopped = "11m", wrote = "40MB" }
                  app = { …, restart = "always", needs = ["db"], pod = "web", seen = "2h" }
    [cache]       deps = { size = "2GB", used = "3h", parents = ["base"], in_use = false }
    [builders]    "ci0/deps" = { size = "2GB", parents = ["ci0/base"] }
    [volumes]     data = { size = "1GB" }          [networks]  front = { builtin = false }
    [policy]      level = "weekly", min_age = "0s", cache_budget = "10GB", until_free = "5GB",
                  only = ["image", "team/*"]
    [config]      what a holystone.toml of the owner says
    [here]        what one says that was found in the current folder
    [[leases]]    reference = "app:1", for = "2h", job = "417"
    [references]  "app:1" = { first = "30d", last = "3h", uses = 9, gap = "20m" }
    [company]     "app:1" = { uses = 10, then = { "db:1" = 9 } }
    [absent]      "app:2" = "debian 75MB"          [speeds]  "docker.io" = "5MB"
    [expect]      freed = "40MB"
    [expect.images]  app = "keep tagged"           [expect.containers]  job = "remove stopped 40MB"
    [details]     every step with its targets, every fact of every reason

``python -m tests.planner.cases`` writes the details of all cases; read what it changed.

Times are ages (``"2h"``) or lie ahead (``"in 5m"``). A layer stands on those before it on its line:
equal beginnings are shared. An image without ``layers`` is one whose layers could not be told.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from holystone.config.reading import policy_from
from holystone.operations.wishes import term
from holystone.planner.inventory import (
    Builder,
    CacheRecord,
    Container,
    Disk,
    Engine,
    Image,
    Inventory,
    Layer,
    Network,
    Volume,
)
from holystone.planner.names import complete
from holystone.planner.plan import plan
from holystone.planner.policy import Grace, Mark, Policy
from holystone.planner.units import parse_duration, parse_size
from holystone.planner.usage import Followers, Lease, Usage, Use
from holystone.planner.verdict import Plan

NOW = 1_750_000_000.0
FOLDER = Path(__file__).parent / "cases"
Row = dict[str, Any]


class Case(NamedTuple):
    """A host, a policy, and what must come of them."""

    title: str
    inventory: Inventory
    usage: Usage
    policy: Policy
    verdicts: dict[str, str]
    """By kind and ID (``"image app"``): ``"keep RULE"`` or ``"remove RULE SIZE"``."""
    freed: int
    bounds: tuple[int, int] | None
    details: dict[str, str | list[str]]
    """What ``details_of`` must say of the plan."""


def _time(age: str) -> float:
    """The moment this long ago, or ahead (``in 5m``)."""
    ahead = age.removeprefix("in ")
    return NOW - parse_duration(age) if ahead == age else NOW + parse_duration(ahead)


def _layers(text: str) -> tuple[Layer, ...]:
    layers: list[Layer] = []
    for part in filter(None, text.split(", ")):
        name, _, size = part.rpartition(" ")
        below = layers[-1].chain_id + "/" if layers else ""
        layers.append(Layer(below + name, parse_size(size)))
    return tuple(layers)


_ANSWER = {"has it": True, "lacks it": False}
_SHARED: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("tags", "digests", "in_lists", "platforms", "pinned", "tagged_in"), tuple),
    **dict.fromkeys(("volumes", "networks", "needs", "parents"), tuple),
    **dict.fromkeys(("built", "made", "tagged", "arrived", "stopped", "used"), _time),
    **dict.fromkeys(("size", "content", "wrote", "at_least", "log"), parse_size),
    **dict.fromkeys(("layers", "other_layers"), _layers),
}
"""How what is written is read; what is not named here is taken as it is."""
_FIELDS: dict[str, dict[str, str]] = {
    "image": {"built": "created", "content": "content_size", "tagged": "last_tagged",
              "buildkit": "made_by_buildkit", "once_there": "from_registry"},
    "container": {"asked": "image", "image": "image_id", "made": "created", "stopped": "finished",
                  "exit": "exit_code", "wrote": "writable_size", "from": "started_from",
                  "at_least": "writable_at_least", "log": "log_size"},
    "cache": {"used": "last_used", "made": "created"},
    "builder": {"used": "last_used", "made": "created"},
    "volume": {"made": "created"},
    "network": {"made": "created"},
}  # fmt: skip
"""By kind the fields of records that have another name in a case."""
_MADE = {
    "image": "30d",
    "container": "23h",
    "cache": "30d",
    "builder": "30d",
    "volume": "30d",
    "network": "30d",
}
"""How long ago an object was made where a case does not say."""
_APART = {"image": {"seen", "used", "registry"}, "container": {"seen"}, "volume": {"used"},
          "network": {"used"}}  # fmt: skip
"""What of an object a case tells of the memory or the registry."""


def _record(make: Any, kind: str, row: Row, **more: Any) -> Any:
    """An object as a case writes it. Raises TypeError for a field that there is not."""
    names = _FIELDS[kind]
    told = {names.get(k, k): _SHARED.get(k, lambda v: v)(v) for k, v in row.items()
            if k not in _APART.get(kind, ())}  # fmt: skip
    return make(**{"created": _time(_MADE[kind]), **told, **more})


def _image(name: str, row: Row) -> Image:
    image: Image = _record(Image, "image", row, id=name)
    answer = row.get("registry", "has it")
    own = image.layers or ()
    size = sum(layer.size for layer in own) if image.layers is not None else image.size
    if image.other_layers:
        # The engine counts what platforms have in common for each of them.
        size += sum(layer.size for layer in image.other_layers) + image.content_size
    return image._replace(
        size=size,
        other_layers=tuple(layer for layer in image.other_layers if layer not in own),
        in_registry=_ANSWER.get(row.get("registry", "")),
        registry_said="" if answer == "has it" else answer,
    )


_MAKE: dict[str, tuple[str, Callable[[str, Row], Any]]] = {
    "containers": ("container", lambda name, row: _record(
        Container, "container", {"asked": row["image"], **row}, id=name, name=name)),
    "images": ("image", _image),
    "cache": ("cache", lambda name, row: _record(CacheRecord, "cache", row, id=name)),
    "builders": ("builder", lambda name, row: _record(CacheRecord, "builder", row, id=name)),
    "volumes": ("volume", lambda name, row: _record(Volume, "volume", row, name=name)),
    "networks": ("network", lambda name, row: _record(
        Network, "network", row, id=f"id of {name}", name=name)),
}  # fmt: skip
"""By section of a case the kind of its objects, and what makes one of a row."""
_KNOWN = {"title", "host", "policy", "config", "here", "leases", "references", "company", "absent",
          "speeds", "expect", "details", *_MAKE}  # fmt: skip


def read_case(path: Path) -> Case:
    """The case in this file. Raises ValueError, TypeError or KeyError where it makes no sense."""
    written = tomllib.loads(path.read_text())
    if unknown := set(written) - _KNOWN:
        raise ValueError(f"{path.name}: unknown {', '.join(sorted(unknown))}")
    rows = {section: written.get(section, {}) for section in _MAKE}
    objects: dict[str, Any] = {
        section: tuple(make(name, row) for name, row in rows[section].items())
        for section, (_, make) in _MAKE.items()
    }
    expect = written["expect"]
    between = [parse_size(each) for each in expect.get("between", ())]
    return Case(
        title=written["title"],
        inventory=_inventory(written.get("host", {}), objects),
        usage=_usage(written, rows),
        policy=_policy(written.get("policy", {}), written.get("config", {}), written.get("here")),
        verdicts={
            f"{kind} {name}": verdict
            for section, (kind, _) in _MAKE.items()
            for name, verdict in expect.get(section, {}).items()
        },
        freed=parse_size(expect["freed"]),
        bounds=(between[0], between[1]) if between else None,
        details=written.get("details", {}),
    )


def _builders(records: Sequence[CacheRecord]) -> tuple[Builder, ...]:
    """The builders outside the engine that have these records."""
    names = dict.fromkeys(record.id.partition("/")[0] for record in records)
    return tuple(
        Builder(name, f"buildx_buildkit_{name}_state", name, tuple(
            record for record in records if record.id.startswith(f"{name}/")
        ))
        for name in names
    )  # fmt: skip


def _inventory(host: Row, objects: dict[str, Any]) -> Inventory:
    engine = Engine("e", "golden", "28", "1.51", "overlay2", host.get("store", "classic"))
    total, free = (parse_size(host[key]) if key in host else None for key in ("disk", "free"))
    objects["builders"] = _builders(objects["builders"])
    return Inventory(engine, NOW, disk=Disk(total, free), **objects)


def _usage(written: Row, rows: dict[str, Row]) -> Usage:
    """What is remembered. References are written as people do."""

    def told(section: str, key: str) -> dict[str, float]:
        return {name: _time(row[key]) for name, row in rows[section].items() if key in row}

    def use(row: Row) -> Use:
        gap = parse_duration(row["gap"]) if "gap" in row else None
        return Use(_time(row.get("first", "90d")), _time(row["last"]), row.get("uses", 1), gap)

    def company(row: Row) -> Followers:
        return Followers(row["uses"], {complete(other): n for other, n in row["then"].items()})

    def past(section: str, read: Callable[[Any], Any]) -> dict[str, Any]:
        return {complete(name): read(row) for name, row in written.get(section, {}).items()}

    networks = {f"id of {name}": at for name, at in told("networks", "used").items()}
    used = {"image": told("images", "used"), "volume": told("volumes", "used"), "network": networks}
    return Usage(
        told("images", "seen"),
        {(kind, name): at for kind, of_kind in used.items() for name, at in of_kind.items()},
        tuple(
            Lease(row["reference"], NOW + parse_duration(row["for"]), row.get("job", ""))
            for row in written.get("leases", ())
        ),
        references=past("references", use),
        company=past("company", company),
        absent=past("absent", _layers),
        speeds={name: parse_size(speed) for name, speed in written.get("speeds", {}).items()},
        ended=told("containers", "seen"),
    )


def _policy(row: Row, config: Row, here: Row | None) -> Policy:
    """The policy of the configuration, with what options would add to it."""
    row = dict(row)
    policy = policy_from(config, row.pop("level", "routine"), here)
    cache = policy.cache
    if budget := row.pop("cache_budget", ""):
        cache = cache._replace(budget_bytes=parse_size(budget))
    if unused := row.pop("cache_unused_for", ""):
        cache = cache._replace(unused_for=parse_duration(unused))
    if age := row.pop("min_age", ""):
        policy = policy._replace(grace=Grace.uniform(parse_duration(age)))
    if free := row.pop("until_free", ""):
        policy = policy._replace(target=Mark(free_bytes=parse_size(free)))
    policy = policy._replace(
        cache=cache,
        include_local=row.pop("include_local", False),
        prune_filters=tuple(row.pop("prune_filters", ())),
        only=tuple(map(term, row.pop("only"))) if "only" in row else None,
        # Most cases are not about registries: an image that has a digest can come back.
        check_registry=row.pop("check_registry", False),
    )
    if row:
        raise ValueError(f"policy: unknown {', '.join(sorted(row))}")
    return policy


def verdicts_of(made: Plan) -> dict[str, str]:
    """The verdicts of a plan as a case writes them; sizes in bytes."""
    told = {}
    for verdict in made.verdicts:
        rules = "+".join(reason.rule for reason in verdict.reasons)
        ruling = f"remove {rules} {verdict.freed_bytes}" if verdict.remove else f"keep {rules}"
        told[f"{verdict.kind} {verdict.id.removeprefix('id of ')}"] = ruling
    return told


def details_of(made: Plan) -> dict[str, str | list[str]]:
    """What the verdicts of a case leave out: targets and order of the steps, and all facts."""
    details: dict[str, str | list[str]] = {
        f"{verdict.kind} {verdict.id.removeprefix('id of ')}": "; ".join(
            " ".join([reason.rule, *(f"{key}={_fact(fact)}" for key, fact in reason.facts.items())])
            for reason in verdict.reasons
        )
        for verdict in made.verdicts
        if any(reason.facts for reason in verdict.reasons)
    }
    if made.steps:
        details["steps"] = [
            f"{step.kind} {' '.join(step.targets)}"
            + (f" after {' '.join(step.after)}" if step.after else "")
            for step in made.steps
        ]
    of_plan = {
        "target": made.target_free,
        "short": made.short_bytes,
        "held by cache": made.held_by_cache,
        "unconfirmed": " ".join(made.unconfirmed),
    }
    if told := ", ".join(f"{name} {value}" for name, value in of_plan.items() if value):
        details["plan"] = told
    return details


def _fact(fact: object) -> str:
    """Moments as seconds from now, other numbers as they are."""
    if isinstance(fact, float):
        moment = abs(fact - NOW) < 1e8
        return f"now{fact - NOW:+.9g}" if moment else f"{fact:.9g}"
    return str(fact)


def in_bytes(verdict: str) -> str:
    """A verdict as written in a case, with its size in bytes."""
    words = verdict.split()
    return " ".join([*words[:2], *(str(parse_size(size)) for size in words[2:])])


def write_details() -> None:
    """Write into every case what its plan says now."""
    for path in sorted(FOLDER.glob("*.toml")):
        case = read_case(path)
        details = details_of(plan(case.inventory, case.usage, case.policy, NOW))
        text = path.read_text().partition("\n[details]\n")[0].rstrip("\n") + "\n"
        if details:
            text += "\n[details]\n"
        for key, told in details.items():
            if isinstance(told, str):
                text += f"{_toml(key)} = {json.dumps(told, ensure_ascii=False)}\n"
            else:
                text += f"{key} = [\n"
                text += "".join(f"    {json.dumps(line, ensure_ascii=False)},\n" for line in told)
                text += "]\n"
        path.write_text(text)


def _toml(key: str) -> str:
    return f'"{key}"' if " " in key else key


if __name__ == "__main__":
    write_details()
