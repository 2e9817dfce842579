"""Volumes, containers and build cache are listed, filtered and named as images are."""

from __future__ import annotations

import re

import pytest

from tests.cli.command import Command
from tests.cli.test_lists import DEMO, lines
from tests.engines import Engine
from tests.engines.images import SCRATCH, ImageToLoad, build, busybox_layer, load

KINDS = {"volumes": "volume", "containers": "container", "cache": "cache"}
"""Each command, and the kind it lists."""


def id_of(command: str, entry: dict[str, object]) -> object:
    return entry["name" if command == "volumes" else "id"]


@pytest.mark.parametrize("command", KINDS)
@pytest.mark.parametrize("level", ["routine", "deep"])
def test_every_object_has_the_verdict_of_the_plan(
    holystone: Command, command: str, level: str
) -> None:
    told = holystone(command, "--json", "--level", level, *DEMO).json
    plan = {
        item["id"]: item
        for item in holystone("plan", level, "--json", *DEMO).json["items"]
        if item["kind"] == KINDS[command]
    }
    assert told["schema"] == 1
    assert {id_of(command, entry) for entry in told[command]} == plan.keys()
    for entry in told[command]:
        verdict = plan[id_of(command, entry)]
        assert entry["action"] == verdict["action"]
        assert entry["freed_bytes"] == verdict["freed_bytes"]
        rules = [reason["rule"] for reason in entry["reasons"]]
        assert rules == [reason["rule"] for reason in verdict["reasons"]]


@pytest.mark.parametrize("command", KINDS)
def test_quiet_filters_orders_and_formats(holystone: Command, command: str) -> None:
    told = holystone(command, "--json", *DEMO).json[command]
    whole = lines(holystone(command, "-q", "--no-trunc", *DEMO))
    assert whole == [id_of(command, entry) for entry in told]
    quiet = lines(holystone(command, "-q", *DEMO))
    assert quiet == ([each[:12] for each in whole] if command == "containers" else whole)
    large = [entry for entry in told if entry["size_bytes"] > 10**9]
    assert 0 < len(large) < len(told)
    filtered = holystone(command, "--json", "-f", "size>1GB", *DEMO).json[command]
    assert [id_of(command, entry) for entry in filtered] == [id_of(command, e) for e in large]
    made = lines(holystone(command, "--format", "{{.CreatedAt}}", "--sort", "-age", *DEMO))
    assert made == sorted(made)
    assert len(set(made)) > 3
    assert lines(holystone(command, "-q", "--reverse", *DEMO)) == quiet[::-1]
    some = holystone(command, "-f", "size>1GB", *DEMO).lines[-1]
    assert some.startswith(f"{len(large)} of {len(told)} ")
    assert holystone(command, *DEMO).lines[-1].startswith(f"{len(told)} ")
    absent = holystone(command, "-f", "verdict=remove", "-f", "verdict!=remove", *DEMO)
    assert re.search(rf"^No .* matches --filter; {len(told)} ", absent.out)
    header, *rows = lines(holystone(command, "--format", r"table {{.Rule}}\t{{.Reason}}", *DEMO))
    assert header.split() == ["RULE", "REASON"]
    assert len(rows) == len(told)


def test_names_of_volumes_and_containers(holystone: Command) -> None:
    def volumes(*words: str) -> list[str]:
        return lines(holystone("volumes", "-q", *words, *DEMO))

    assert volumes("shop_db-data") == ["shop_db-data"]
    assert set(volumes("sonar*", "maven-repository")) == {"sonarqube-data", "maven-repository"}
    (anonymous,) = volumes("-f", "container=kind-control-plane")
    assert volumes(anonymous[:12]) == [anonymous]
    assert set(volumes("-f", "dangling=true", "-f", "anonymous=no")) == {
        "sonarqube-data", "maven-repository",
    }  # fmt: skip
    said = holystone("volumes", "sonarqub-data", *DEMO).failed(1)
    assert "there is no volume 'sonarqub-data'. Did you mean sonarqube-data?" in said
    assert "`holystone volumes` lists them." in said

    template = ("--format", "{{.Name}}")
    runner = lines(holystone("containers", "gitlab-*", *template, *DEMO))
    assert runner == ["gitlab-runner"]
    by_image = lines(holystone("containers", "-f", "ancestor=postgres", *template, *DEMO))
    assert {"shop-db-1"} < set(by_image)
    ended = holystone("containers", "--json", "-f", "status=exited", *DEMO).json["containers"]
    assert all(entry["exit_code"] is not None and entry["last_used_at"] for entry in ended)
    said = holystone("containers", "-f", "state=exited", *DEMO).failed(64)
    assert "there is no filter 'state' (did you mean status?)" in said


def test_the_log_of_a_container_counts(holystone: Command) -> None:
    (told,) = holystone("containers", "--json", "gitlab-runner", *DEMO).json["containers"]
    assert told["log_bytes"] > told["writable_bytes"] > 0
    assert told["size_bytes"] == told["log_bytes"] + told["writable_bytes"]
    first = lines(holystone("containers", "--sort", "-log", "--format", "{{.Name}}", *DEMO))[0]
    assert first == "gitlab-runner"


def test_build_cache_is_folded_and_adds_up(holystone: Command) -> None:
    told = holystone("cache", "--json", *DEMO).json["cache"]
    status = holystone("status", "--json", *DEMO).json["kinds"]["cache"]
    assert sum(entry["unique_bytes"] for entry in told) == status["own_bytes"]
    assert sum(entry["shared_bytes"] for entry in told) == status["shared_with_images_bytes"] > 0
    assert all(
        entry["unique_bytes"] + entry["shared_bytes"] == entry["size_bytes"] for entry in told
    )
    folded, every = lines(holystone("cache", *DEMO)), lines(holystone("cache", "-a", *DEMO))
    assert "more build cache records" in " ".join(folded)
    assert "more build cache records" not in " ".join(every)
    assert len(every) == len(told) + 3
    assert folded[-1] == every[-1]
    parents = {parent for entry in told for parent in entry["parents"]}
    assert parents
    assert parents <= {entry["id"] for entry in told}
    parent = min(parents)
    made = holystone("cache", "--json", "-f", f"parent={parent}", *DEMO).json["cache"]
    assert made
    assert all(parent in entry["parents"] for entry in made)
    assert holystone("cache", "-q", told[0]["id"][:8], *DEMO).out.strip() == told[0]["id"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("volumes --all", "there is no option --all: all volumes are listed anyway"),
        ("containers -a", "all containers are listed anyway"),
        ("volumes --json -q", "--json and --quiet: give only one of them"),
        ("cache --format {{.Nme}}", "there is no field .Nme"),
        ("volumes --sort siez", "(did you mean size?)"),
    ],
)
def test_what_makes_no_sense(holystone: Command, words: str, said: str) -> None:
    assert said in holystone(*words.split(), *DEMO).failed(64)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("ps", "containers"), ("volume ls", "volumes"), ("builder du", "cache"), ("ls", "images")],
)
def test_what_docker_calls_them(holystone: Command, theirs: str, ours: str) -> None:
    assert f"Type holystone {ours}." in holystone(*theirs.split()).failed(64)


@pytest.mark.engine("docker20", "docker28c", "podman5")
def test_lists_on_an_engine(fresh_engine: Engine, holystone: Command, unique: str) -> None:
    """Sizes, users and logs are those of the engine, and docker takes what ``-q`` writes."""
    on = ("-H", fresh_engine.host)
    image, named, bare = f"{unique}:1", f"{unique}-data", f"{unique}-bare"
    load(fresh_engine, ImageToLoad([busybox_layer()], [image]))
    fresh_engine.docker("volume", "create", "--label", "team=a", named)
    fresh_engine.docker("volume", "create", bare)
    write = "dd if=/dev/urandom of={} bs=1000 count={} 2>/dev/null"
    script = f"{write.format('/data/x', 700)}; {write.format('/y', 300)}; seq 9000"
    fresh_engine.docker(
        *("run", "--name", unique, "--network", "none", "-v", f"{named}:/data"),
        *("-v", "/scratch", image, "sh", "-c", script),
    )
    told = {entry["name"]: entry for entry in holystone(*on, "volumes", "--json").json["volumes"]}
    assert len(told) == 3
    assert 700_000 <= told[named]["size_bytes"] < 800_000
    assert told[named]["containers"] == [unique]
    assert told[named]["last_used_at"] is not None
    assert told[bare]["size_bytes"] == 0
    assert told[bare]["containers"] == []
    assert [each["anonymous"] for each in told.values()].count(True) == 1
    assert lines(holystone(*on, "volumes", "-q", "-f", "label=team=a")) == [named]
    names = lines(holystone(*on, "volumes", "-q"))
    assert set(fresh_engine.docker("volume", "inspect", "-f", "{{.Name}}", *names).split()) == set(
        names
    )
    (container,) = holystone(*on, "containers", "--json", unique).json["containers"]
    assert 300_000 <= container["writable_bytes"] < 400_000
    assert container["volumes"]
    assert container["exit_code"] == 0
    assert container["image_id"]
    assert container["log_bytes"] is None or container["log_bytes"] > 40_000
    (short,) = lines(holystone(*on, "containers", "-q", unique))
    assert fresh_engine.docker("inspect", "-f", "{{.Name}}", short).strip().lstrip("/") == unique
    assert unique in holystone(*on, "containers").out


@pytest.mark.engine("docker20", "docker28c")
def test_build_cache_on_an_engine(fresh_engine: Engine, holystone: Command, unique: str) -> None:
    on = ("-H", fresh_engine.host)
    step = f"head -c 500000 /dev/urandom > /{unique}"
    build(fresh_engine, f"{SCRATCH}RUN {step}\n", "-t", f"{unique}:1", buildkit=True)
    held = holystone(*on, "cache", "--json").json["cache"]
    (made,) = (entry for entry in held if unique in entry["description"])
    assert made["shared_with_images"] is True
    assert made["shared_bytes"] > 0
    assert made["parents"]
    fresh_engine.docker("image", "rm", f"{unique}:1")
    (alone,) = holystone(*on, "cache", "--json", made["id"]).json["cache"]
    assert alone["unique_bytes"] >= 500_000
    assert alone["shared_bytes"] == 0
    (identifier,) = lines(holystone(*on, "cache", "-q", "-f", f"description={unique}"))
    assert identifier == made["id"]
    fresh_engine.docker("builder", "prune", "--all", "--force", "--filter", f"id={identifier}")
    left = lines(holystone(*on, "cache", "-q"))
    assert identifier not in left
    assert left


@pytest.mark.engine("podman5")
def test_podman_has_no_build_cache(fresh_engine: Engine, holystone: Command) -> None:
    on = ("-H", fresh_engine.host)
    assert holystone(*on, "cache") == (0, "There are no build cache records on this host.\n", "")
    assert holystone(*on, "cache", "--json").json["cache"] == []
