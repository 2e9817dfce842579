"""Golden cases of the planner: read from files a person can read, written in ``cases/*.toml``.

A case is a host, a policy and the verdicts that must come of them. One line is one object:

    [images]      app = { tags = ["app:1"], layers = "debian 75MB, app 20MB", built = "2h" }
    [containers]  job = { image = "app", state = "exited", stopped = "11m", wrote = "40MB" }
                  app = { …, restart = "always", needs = ["db"], pod = "web", seen = "2h" }
    [cache]       deps = { size = "2GB", used = "3h", parents = ["base"], in_use = false }
    [volumes]     data = { size = "1GB" }          [networks]  front = { builtin = false }
    [policy]      level = "weekly", min_age = "0s", cache_budget = "10GB", until_free = "5GB"
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
from pathlib import Path
from typing import Any, NamedTuple

from holystone.config.reading import policy_from
from holystone.planner.inventory import (
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
_PAST = ("references", "company", "absent", "speeds")
_CAME = ("platforms", "other_layers", "in_lists", "arrived", "loaded", "pinned", "tagged_in")
_SECTIONS = {
    "containers": "container",
    "images": "image",
    "cache": "cache",
    "volumes": "volume",
    "networks": "network",
}


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


def read_case(path: Path) -> Case:
    """The case in this file. Raises ValueError or KeyError where it makes no sense."""
    written = tomllib.loads(path.read_text())
    known = {
        "title",
        "host",
        "policy",
        "config",
        "here",
        "leases",
        "expect",
        "details",
        *_SECTIONS,
        *_PAST,
    }
    if unknown := set(written) - known:
        raise ValueError(f"{path.name}: unknown {', '.join(sorted(unknown))}")
    host = written.get("host", {})
    images = written.get("images", {})
    inventory = Inventory(
        engine=Engine("e", "golden", "28", "1.51", "overlay2", host.get("store", "classic")),
        taken_at=NOW,
        images=tuple(_image(name, row) for name, row in images.items()),
        containers=tuple(_container(n, row) for n, row in written.get("containers", {}).items()),
        cache=tuple(_record(name, row) for name, row in written.get("cache", {}).items()),
        volumes=tuple(_volume(name, row) for name, row in written.get("volumes", {}).items()),
        networks=tuple(_network(name, row) for name, row in written.get("networks", {}).items()),
        disk=_disk(host),
    )
    seen = {name: _time(row["seen"]) for name, row in images.items() if "seen" in row}
    used = {
        (_SECTIONS[section], f"id of {name}" if section == "networks" else name): _time(row["used"])
        for section in ("images", "volumes", "networks")
        for name, row in written.get(section, {}).items()
        if "used" in row
    }
    expect = written["expect"]
    bounds = expect.get("between")
    return Case(
        title=written["title"],
        inventory=inventory,
        usage=Usage(
            {name: when for name, when in seen.items() if when is not None},
            {key: when for key, when in used.items() if when is not None},
            tuple(_lease(row) for row in written.get("leases", ())),
            ended={
                name: _time(row["seen"]) or 0.0
                for name, row in written.get("containers", {}).items()
                if "seen" in row
            },
            **_past(written),
        ),
        policy=_policy(written.get("policy", {}), written.get("config", {}), written.get("here")),
        verdicts={
            f"{kind} {name}": verdict
            for section, kind in _SECTIONS.items()
            for name, verdict in expect.get(section, {}).items()
        },
        freed=parse_size(expect["freed"]),
        bounds=(parse_size(bounds[0]), parse_size(bounds[1])) if bounds else None,
        details=written.get("details", {}),
    )


def verdicts_of(made: Plan) -> dict[str, str]:
    """The verdicts of a plan as a case writes them; sizes in bytes."""
    return {
        f"{verdict.kind} {verdict.id.removeprefix('id of ')}": (
            f"remove {_rules(verdict.reasons)} {verdict.freed_bytes}"
            if verdict.remove
            else f"keep {_rules(verdict.reasons)}"
        )
        for verdict in made.verdicts
    }


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


def _rules(reasons: Any) -> str:
    return "+".join(reason.rule for reason in reasons)


def _image(name: str, row: dict[str, Any]) -> Image:
    known = {"tags", "digests", "parent", "built", "tagged", "seen", "used", "buildkit", "layers"}
    known |= {"size", "content", "labels", "registry", "once_there", *_CAME}
    if unknown := set(row) - known:
        raise ValueError(f"image {name}: unknown {', '.join(sorted(unknown))}")
    layers = _layers(row["layers"]) if "layers" in row else None
    own = set(layers or ())
    others = _layers(row.get("other_layers", ""))
    size = sum(layer.size for layer in layers) if layers is not None else parse_size(row["size"])
    if others:
        # The engine counts what platforms have in common for each of them.
        size += sum(layer.size for layer in others) + parse_size(row["content"])
    return Image(
        id=name,
        tags=tuple(row.get("tags", ())),
        digests=tuple(row.get("digests", ())),
        parent=row.get("parent", ""),
        created=_time(row.get("built", "30d")) or 0.0,
        size=size,
        layers=layers,
        content_size=parse_size(row.get("content", "0")),
        last_tagged=_time(row.get("tagged")),
        in_lists=tuple(row.get("in_lists", ())),
        platforms=tuple(row.get("platforms", ())),
        other_layers=tuple(layer for layer in others if layer not in own),
        arrived=_time(row.get("arrived")),
        loaded=row.get("loaded", False),
        pinned=tuple(row.get("pinned", ())),
        tagged_in=tuple(row.get("tagged_in", ())),
        made_by_buildkit=row.get("buildkit", False),
        labels=row.get("labels", {}),
        in_registry={"has it": True, "lacks it": False}.get(row.get("registry", "")),
        registry_said="" if row.get("registry", "has it") == "has it" else row["registry"],
        from_registry=row.get("once_there"),
    )


def _layers(text: str) -> tuple[Layer, ...]:
    layers: list[Layer] = []
    for part in filter(None, text.split(", ")):
        name, _, size = part.rpartition(" ")
        below = layers[-1].chain_id + "/" if layers else ""
        layers.append(Layer(below + name, parse_size(size)))
    return tuple(layers)


def _container(name: str, row: dict[str, Any]) -> Container:
    known = {"image", "state", "stopped", "wrote", "exit", "labels", "volumes", "networks"}
    if (
        unknown := set(row)
        - known
        - {"asked", "made", "from", "restart", "needs", "pod", "infra", "seen", "at_least", "log"}
    ):
        raise ValueError(f"container {name}: unknown {', '.join(sorted(unknown))}")
    return Container(
        id=name,
        name=name,
        image_id=row["image"],
        image=row.get("asked", row["image"]),
        state=row["state"],
        created=_time(row.get("made", "23h")) or 0.0,
        finished=_time(row.get("stopped")),
        exit_code=row.get("exit"),
        writable_size=parse_size(row.get("wrote", "0")),
        labels=row.get("labels", {}),
        volumes=tuple(row.get("volumes", ())),
        networks=tuple(row.get("networks", ())),
        started_from=row.get("from", ""),
        restart=row.get("restart", ""),
        needs=tuple(row.get("needs", ())),
        pod=row.get("pod", ""),
        infra=row.get("infra", False),
        writable_at_least=parse_size(row["at_least"]) if "at_least" in row else None,
        log_size=parse_size(row.get("log", "0")),
    )


def _disk(host: dict[str, Any]) -> Disk:
    if "disk" not in host:
        return Disk()
    return Disk(parse_size(host["disk"]), parse_size(host["free"]) if "free" in host else None)


def _volume(name: str, row: dict[str, Any]) -> Volume:
    if unknown := set(row) - {"size", "made", "used", "anonymous", "labels"}:
        raise ValueError(f"volume {name}: unknown {', '.join(sorted(unknown))}")
    return Volume(
        name,
        created=_time(row.get("made", "30d")) or 0.0,
        size=parse_size(row["size"]) if "size" in row else None,
        labels=row.get("labels", {}),
        anonymous=row.get("anonymous", False),
    )


def _network(name: str, row: dict[str, Any]) -> Network:
    if unknown := set(row) - {"made", "used", "builtin", "labels"}:
        raise ValueError(f"network {name}: unknown {', '.join(sorted(unknown))}")
    return Network(
        f"id of {name}",
        name,
        created=_time(row.get("made", "30d")) or 0.0,
        labels=row.get("labels", {}),
        builtin=row.get("builtin", False),
    )


def _lease(row: dict[str, str]) -> Lease:
    return Lease(row["reference"], NOW + parse_duration(row["for"]), row.get("job", ""))


def _past(written: dict[str, Any]) -> dict[str, Any]:
    """What is remembered of references; they are written as people do."""
    return {
        "references": {
            complete(name): Use(
                _time(row.get("first", "90d")) or 0.0,
                _time(row["last"]) or 0.0,
                row.get("uses", 1),
                parse_duration(row["gap"]) if "gap" in row else None,
            )
            for name, row in written.get("references", {}).items()
        },
        "company": {
            complete(name): Followers(
                row["uses"], {complete(other): count for other, count in row["then"].items()}
            )
            for name, row in written.get("company", {}).items()
        },
        "absent": {
            complete(name): _layers(text) for name, text in written.get("absent", {}).items()
        },
        "speeds": {name: parse_size(speed) for name, speed in written.get("speeds", {}).items()},
    }


def _record(name: str, row: dict[str, Any]) -> CacheRecord:
    known = {"size", "used", "made", "parents", "in_use", "shared", "type", "description", "layer"}
    if unknown := set(row) - known:
        raise ValueError(f"cache {name}: unknown {', '.join(sorted(unknown))}")
    return CacheRecord(
        id=name,
        parents=tuple(row.get("parents", ())),
        type=row.get("type", "regular"),
        description=row.get("description", ""),
        size=parse_size(row["size"]),
        created=_time(row.get("made", "30d")) or 0.0,
        last_used=_time(row.get("used")),
        in_use=row.get("in_use", False),
        shared=row.get("shared", False),
        layer=row.get("layer", ""),
    )


def _policy(row: dict[str, Any], config: dict[str, Any], here: dict[str, Any] | None) -> Policy:
    """The policy of the configuration, with what options would add to it."""
    known = {"level", "min_age", "cache_budget", "cache_unused_for"}
    if (
        unknown := set(row)
        - known
        - {"until_free", "include_local", "check_registry", "prune_filters"}
    ):
        raise ValueError(f"policy: unknown {', '.join(sorted(unknown))}")
    policy = policy_from(config, row.get("level", "routine"), here)
    cache = policy.cache
    if "cache_budget" in row:
        cache = cache._replace(budget_bytes=parse_size(row["cache_budget"]))
    if "cache_unused_for" in row:
        cache = cache._replace(unused_for=parse_duration(row["cache_unused_for"]))
    if "min_age" in row:
        policy = policy._replace(grace=Grace.uniform(parse_duration(row["min_age"])))
    if "until_free" in row:
        policy = policy._replace(target=Mark(free_bytes=parse_size(row["until_free"])))
    return policy._replace(
        cache=cache,
        include_local=row.get("include_local", False),
        prune_filters=tuple(row.get("prune_filters", ())),
        # Most cases are not about registries: an image that has a digest can come back.
        check_registry=row.get("check_registry", False),
    )


def _time(age: str | None) -> float | None:
    """The moment this long ago, or ahead (``in 5m``)."""
    if age is None:
        return None
    if age.startswith("in "):
        return NOW + parse_duration(age[3:])
    return NOW - parse_duration(age)


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
