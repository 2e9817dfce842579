"""Lists are filtered, sorted and formatted; images are named by patterns and ends of names."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.command import Command, Done
from tests.engines import Engine
from tests.engines.images import ImageToLoad, layer, load

DEMO = ("-H", "demo:")


def lines(done: Done) -> list[str]:
    assert (done.code, done.err) == (0, ""), done
    return done.lines


def test_ids_of_images(holystone: Command) -> None:
    """Each once, though an image has several names."""
    short = lines(holystone("images", "-q", *DEMO))
    assert all(re.fullmatch("[0-9a-f]{12}", line) for line in short)
    assert len(set(short)) == len(short)
    whole = lines(holystone("images", "--quiet", "--no-trunc", *DEMO))
    assert [line.removeprefix("sha256:")[:12] for line in whole] == short
    told = holystone("images", "--json", *DEMO).json["images"]
    steps = {i["id"] for i in told if i["reasons"][0]["rule"] == "parent"}
    assert set(whole) == {i["id"] for i in told} - steps
    every = lines(holystone("images", "-qa", "--no-trunc", *DEMO))
    assert set(every) == {i["id"] for i in told}
    assert holystone("images", "-q", "--filter", "label=nowhere", *DEMO) == (0, "", "")


def test_filters_of_images(holystone: Command) -> None:
    told = holystone("images", "--json", *DEMO).json["images"]

    def ids(*filters: str) -> set[str]:
        words = [word for text in filters for word in ("--filter", text)]
        return set(lines(holystone("images", "-qa", "--no-trunc", *words, *DEMO)))

    assert lines(holystone("images", "-q", "-f", "dangling=true", *DEMO)) == lines(
        holystone("images", "-q", "--filter=dangling=true", *DEMO)
    )
    assert ids("dangling=true") == {i["id"] for i in told if not i["tags"]}
    assert ids("size>1GB") == {i["id"] for i in told if i["size_bytes"] > 10**9}
    assert ids("verdict=remove") == {i["id"] for i in told if i["action"] == "remove"}
    assert ids("rule=in-use") == {
        i["id"] for i in told if any(r["rule"] == "in-use" for r in i["reasons"])
    }
    node = {i["id"] for i in told if any(t.startswith("node:") for t in i["tags"])}
    assert len(node) > 1
    assert node <= ids("reference=node")
    assert ids("reference=node:20-alpine") < node
    older, newer = ids("before=node:20-alpine"), ids("since=node:20-alpine")
    assert older
    assert newer
    assert not older & newer
    said = holystone("images", "--filter", "before=nod:20-alpine", *DEMO).failed(64)
    assert "there is no such image here. Did you mean node:20-alpine" in said


def test_the_sum_is_that_of_the_images_shown(holystone: Command) -> None:
    whole = holystone("images", "--json", "--all", *DEMO).json["images"]
    for words in (("node",), ("-f", "size>1GB"), ("-a", "-f", "size>1GB")):
        some = holystone("images", "--json", *words, *DEMO).json["images"]
        said = holystone("images", *words, *DEMO).lines[-1]
        count = sum(len(image["tags"]) for image in some)
        assert 0 < len(some) < len(whole)
        assert said.startswith(f"{len(some)} of {len(whole)} images shown, {count} tag")
    told = holystone("images", *DEMO).lines[-1]
    assert told.startswith(f"{len(whole)} images, ")
    assert holystone("images", "-a", "--sort", "size", *DEMO).lines[-1] == told


def test_names_of_images(holystone: Command) -> None:
    def names(*words: str) -> set[str]:
        template = ("--format", "{{.Name}}")
        return set(lines(holystone("images", *words, *template, *DEMO)))

    folder = names("registry.example.com/team/*")
    assert len(folder) > 3
    assert all(name.startswith("registry.example.com/team/") for name in folder)
    assert names("team/*") == folder
    assert names("ml-train:2024.07") == {"registry.example.com/team/ml-train:2024.07"}
    assert names("ml-train", "redis") == {
        *names("team/ml-train"), *(name for name in names("redis")),
    }  # fmt: skip
    said = holystone("images", "ml-trian:2024.07", *DEMO).failed(1)
    assert "Did you mean registry.example.com/team/ml-train:2024.07" in said


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["explain", "ml-train:2024.07"], "Image registry.example.com/team/ml-train:2024.07"),
        (["explain", "team/ml-train:2024.0[7]"], "Did you mean registry.example.com/team/ml-train"),
        (["explain", "*/ml-train:*7"], "Image registry.example.com/team/ml-train:2024.07"),
        (["explain", "team/ml-*"], "means 2 objects; tell them apart with a whole name"),
        (["explain", "e2e-shop-471"], "Did you mean e2e-shop-4711?"),
        (["explain", "e2e-shop-*"], "Container e2e-shop-4711"),
        (["explain", "--kind", "volume", "e2e-shop-4711"], "no volume on this host is called"),
    ],
)
def test_names_of_what_is_explained(holystone: Command, words: list[str], named: str) -> None:
    done = holystone(*words, *DEMO)
    assert named in done.out + done.err


def test_lists_of_a_plan(holystone: Command) -> None:
    whole = holystone("plan", "--json", *DEMO).json
    images = [i for i in whole["items"] if i["kind"] == "image" and i["action"] == "remove"]
    done = holystone("plan", "--json", "--filter", "kind=image", "--sort", "-freed", *DEMO).json
    assert {i["id"] for i in done["items"]} == {i["id"] for i in images}
    freed = [i["freed_bytes"] for i in done["items"]]
    assert freed == sorted(freed, reverse=True)
    assert done["freed_bytes"] == whole["freed_bytes"]
    kept = lines(holystone("plan", "--filter", "rule=tagged", "--format", "{{.Verdict}}", *DEMO))
    assert set(kept) == {"keep"}
    text = lines(holystone("plan", "--filter", "kind=container", "--sort", "name", *DEMO))
    assert text[0].split() == ["KIND", "NAME", "FREES", "VERDICT", "WHY"]
    rows = [line.split()[1] for line in text if line.startswith("  container ")]
    assert rows == sorted(rows)
    assert text[-1] == "A filter chooses what is shown, not what a clean removes."
    every = lines(holystone("plan", "--all", "--format", "{{.Kind}} {{.ID}}", "--no-trunc", *DEMO))
    assert len(every) == len(whole["items"])
    assert holystone("plan", "--filter", "kind=volume", "--detailed-exitcode", *DEMO).code == 2


def test_rows_as_json(holystone: Command) -> None:
    for command in ("images", "plan --all", "observe", "lease list", "history"):
        host = DEMO if command not in ("lease list", "history") else ()
        rows = [json.loads(line) for line in
                lines(holystone(*command.split(), "--format", "json", *host))]  # fmt: skip
        assert rows or command in ("lease list", "history")
        assert all(row.keys() == rows[0].keys() for row in rows)


def test_lists_of_past_runs(holystone: Command) -> None:
    for _ in range(2):
        assert holystone("clean", "--min-age", "0s", *DEMO).code == 0
    history = ("history", *DEMO)
    every = lines(holystone(*history, "--format", "{{.ID}}"))
    assert len(every) > 1
    assert lines(holystone(*history, "--format", "{{.ID}}", "--reverse")) == every[::-1]
    most = lines(holystone(*history, "--format", "{{.FreedBytes}}", "--sort", "-freed"))
    assert list(map(int, most)) == sorted(map(int, most), reverse=True)
    freed = lines(holystone(*history, "--filter", "freed>0", "--format", "{{.ID}}"))
    assert 0 < len(freed) < len(every)
    newest = lines(
        holystone(*history, "--filter", "freed>0", "--limit", "1", "--format", "{{.ID}}")
    )
    assert newest == freed[:1]
    told = holystone(*history, "--json", "--filter", f"id={every[0]}").json["runs"]
    assert [run["id"] for run in told] == [int(every[0])]
    assert "No run matches --filter; " in holystone(*history, "--filter", "failed>3").out
    assert "for the list of runs" in holystone(*history, "1", "--sort", "id").failed(64)


def test_lists_of_leases(holystone: Command) -> None:
    for image, job in (("redis", "7"), ("node:20", "8"), ("registry.example.com/team/app:1", "7")):
        assert holystone("lease", image, "--for", "2h", "--job", job).code == 0
    by_name = lines(holystone("lease", "list", "--sort", "-name", "--format", "{{.Name}}"))
    assert by_name == ["registry.example.com/team/app:1", "redis:latest", "node:20"]
    told = holystone("lease", "list", "--json", "--filter", "job=8").json["leases"]
    assert [lease["reference"] for lease in told] == ["node:20"]
    assert "these are for lease list" in holystone(
        "lease", "redis", "--for", "2h", "--sort", "name"
    ).failed(64)
    assert (
        "nothing was released. Did you mean node:20?"
        in holystone("lease", "release", "nod:20", "--job", "8").err
    )
    gone = lines(holystone("lease", "release", "team/*", "--job", "7"))
    assert gone == ["registry.example.com/team/app:1 is no longer kept for job 7."]
    gone = lines(holystone("lease", "release", "*", "--all"))
    assert len(gone) == 2


def test_a_lease_by_pattern_is_on_each_tag_that_is_here(holystone: Command) -> None:
    state = ("--state", str(holystone.home / "state"))
    done = holystone("lease", "team/ml-*", "redis:7", "--for", "1h", *state, *DEMO)
    assert [line.split()[0] for line in lines(done)] == [
        "registry.example.com/team/ml-train:2024.06",
        "registry.example.com/team/ml-train:2024.07",
        "redis:7",
    ]
    said = holystone("lease", "nothing/*", "--for", "1h", *DEMO).failed(1)
    assert "no image on this host is covered by 'nothing/*'." in said
    host = ("--host", "unix:///nowhere/docker.sock")
    assert "leave it out" in holystone("lease", "redis", "--for", "1h", *host).failed(64)
    assert "cannot reach" in holystone("lease", "redis*", "--for", "1h", *host).failed(10)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("images --json -q", "--json and --quiet: give only one of them"),
        ("images --json --format x", "--json and --format: give only one of them"),
        ("images -q --format x", "--format and --quiet: give only one of them"),
        ("plan --out x --filter kind=image", "--out writes the whole plan: leave out --filter"),
        ("plan --filter kind=pod", "there is no 'pod'; there are container, image"),
        ("history --sort siez", "(did you mean size?); there are id, age, started"),
        ("observe --filter size>1", "there is no filter 'size'"),
        ("lease list --format {{.Size}}", "there is no field .Size; there are Image, Name, Until"),
    ],
)
def test_what_makes_no_sense(holystone: Command, words: str, said: str) -> None:
    host = DEMO if words.startswith(("images", "plan")) else ()
    assert said in holystone(*words.split(), *host).failed(64)


@pytest.mark.engine("docker20", "podman5")
def test_lists_and_names_on_an_engine(
    fresh_engine: Engine, holystone: Command, unique: str
) -> None:
    on = ("-H", fresh_engine.host)
    tags = [f"127.0.0.1:5000/{unique}/app-node:{tag}" for tag in ("1.5", "1.4")]
    for number, tag in enumerate([*tags, f"docker.io/{unique}/other:1"]):
        load(fresh_engine, ImageToLoad((layer(f"{unique}{number}", 1000),), (tag,)))
    names = lines(
        holystone(*on, "images", "--format", "{{.Repository}}:{{.Tag}}", f"{unique}/app-*")
    )
    assert sorted(names) == sorted(tags)
    (short,) = lines(holystone("images", "-q", *on, "app-node:1.5"))
    (told,) = holystone("--json", "images", *on, "app-node:1.5").json["images"]
    assert told["tags"] == tags[:1]
    assert told["id"].removeprefix("sha256:").startswith(short)
    assert f"Image {tags[0]}" in holystone(*on, "explain", "app-node:1.5").out
    said = holystone("explain", "app-nod:1.5", *on).failed(1)
    assert f"Did you mean {tags[0]} or {tags[1]}?" in said
    assert f"Did you mean {tags[0]}" in holystone("verify", "app-nod:1.5", *on).failed(1)
    absent = holystone("refresh", "-n", "app-nod:1.5", *on)
    assert absent.code == 3
    assert f"--missing pulls it. Did you mean {tags[0]}" in " ".join(absent.out.split())
    assert "Verified 2 images" in holystone(*on, "verify", f"{unique}/app-*").out
