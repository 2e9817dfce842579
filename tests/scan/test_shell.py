"""Shell scripts as words, and what docker command lines ask for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holystone.scan.compose import Composes
from holystone.scan.docker_command import asked
from holystone.scan.findings import Learned, Place
from holystone.scan.scripts import Scripts
from holystone.scan.shell import commands, unquoted


def words(text: str) -> list[list[str]]:
    return [list(command.words) for command in commands(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b  c\n\nd", [["a", "b", "c"], ["d"]]),
        ("a && b || c; d & e | f", [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]),
        ("a 'b c' \"d;e\" f\\ g # h", [["a", "'b c'", '"d;e"', "f\\ g"]]),
        ("a#b #c\n#d\ne", [["a#b"], ["e"]]),
        ("a \\\n  b \\\r\n c", [["a", "b", "c"]]),
        ("a >f 2>&1 </dev/null b &>g", [["a", "b"]]),
        ("a <<E | b\nx y\nE\nc", [["a"], ["b"], ["c"]]),
        ("a <<-'E'\n\tx\n\tE\nb", [["a"], ["b"]]),
        ('a $(b `c` "$(d)") e', [["("], ["("], ["c"], [")"], ["("], ["d"], [")"],
                                   ["b", "$(…)", '"$(…)"'], [")"], ["a", "$(…)", "e"]]),
        ("(a; b)", [["("], ["a"], ["b"], [")"]]),
        ("f() { a; }", [["{", "a"], ["}"]]),
        ("a <<<b c", [["a", "c"]]),
        ("a ${B:-c d} $'e'", [["a", "${B:-c d}", "$'e'"]]),
        ("a 'b", [["a", "'b"]]),
    ],
)  # fmt: skip
def test_words(text: str, expected: list[list[str]]) -> None:
    assert words(text) == expected


def test_lines_and_heredocs() -> None:
    found = list(commands("a\nb \\\n c <<E\n1\n2\nE\nd 'x\ny' $(\ne)\nf", 10))
    assert [(each.words[0], each.line) for each in found if each.words[0] not in "()"] == [
        ("a", 10), ("b", 11), ("e", 18), ("d", 16), ("f", 19),
    ]  # fmt: skip
    assert [(each.heredoc, each.heredoc_line) for each in found if each.heredoc] == [("1\n2\n", 13)]


def test_unquoted() -> None:
    assert unquoted('a\'b "\'"c\\""\\ d$E') == 'ab "c" d$E'


@pytest.mark.parametrize(
    ("line", "images"),
    [
        *[(line, ["a"]) for line in (
            "docker pull a", "docker pull a -q", "/usr/bin/docker run -it --rm a b c:d",
            "docker run -itv /x:/y a", "docker run -v/x:/y -p80:80 -e A=b --name=n --name n a",
            "docker run --detach=false --pull always --gpus all --restart=no a sh",
            "docker run -- a", "docker container create --init a", "nerdctl run -d a",
            "docker tag a b", "docker service create --replicas 3 -q a",
        )],
        ("docker --config x -D -l debug image pull --platform linux/arm64 a:1", ["a:1"]),
        *[(line, []) for line in (
            "docker buildx create --use", "docker network create a", "docker volume create a",
            "docker context create a", "docker rmi a", "docker push a", "docker exec a b", "docker",
            "docker --host", "docker run", "docker image", "docker image ls a", "mydocker pull a",
        )],
    ],
)  # fmt: skip
def test_images_of_a_command(line: str, images: list[str]) -> None:
    found = asked(line.split())
    assert (list(found.images) if found else []) == images


def test_builds_of_a_command() -> None:
    line = (
        "docker buildx build --push -qt a:1 --tag b -f x/D --build-arg A=1 --build-arg=B=2 "
        "--build-context c=docker-image://d --no-cache --progress plain sub"
    )
    found = asked(line.split())
    assert found is not None
    assert (found.made, found.dockerfile, found.context) == (("a:1", "b"), "x/D", "sub")
    assert (found.arguments, found.contexts) == (("A=1", "B=2"), ("c=docker-image://d",))
    bake = asked(["docker", "buildx", "bake", "-f", "docker-bake.hcl", "app"])
    assert bake is not None
    assert bake.bakes


def test_compose_of_a_command() -> None:
    found = asked(["docker", "compose", "-f", "a.yml", "--file=b.yml", "-p", "x", "up", "-d"])
    assert found is not None
    assert found.compose == ("a.yml", "b.yml")
    assert asked(["docker", "compose", "down", "-v"]) is None
    assert asked(["docker-compose", "-f", "a.yml", "pull"]) is not None


def learned(text: str, folder: Path, **variables: str) -> Learned:
    found = Learned()
    scripts = Scripts(found, Composes(found), str(folder))
    scripts.read([(text, Place("s", 1))], variables.get)
    return found


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("A=x; docker pull $A:1", ["x:1"]),
        ("A=x; A=y; docker pull $A", ["y:latest"]),
        ("if t; then A=x; else A=y; fi; docker pull $A", ["x:latest", "y:latest"]),
        ("export A=x B=y; docker pull $A$B", ["xy:latest"]),
        ("(A=x; docker pull $A); docker pull $A", ["x:latest"]),
        ("A='b c'; docker pull $A; docker pull \"$A\"", ["b:latest", "c:latest"]),
        ("for i in a b; do for t in 1 2; do docker pull $i:$t; done; done",
         ["a:1", "a:2", "b:1", "b:2"]),
        ("docker pull ${GIVEN}", ["given:3"]),
        ("docker pull ${NOT_GIVEN:-or:4}", ["or:4"]),
        ("docker pull $1", []),
        ("docker pull '$GIVEN'", []),
        ("docker pull $(cat image)", []),
        ("A=$(cat image); docker pull $A", []),
        ("A=x; A+=y; docker pull $A", []),
        ("docker run $OPTIONS a", ["a:latest"]),
        ("docker run $MY_OPTS a", ["a:latest"]),
        ("if t; then O_ARGS=$(x); else O_ARGS=$(y); fi; docker run $O_ARGS a", ["a:latest"]),
        ("eval \"docker pull a\"; bash -ec 'docker pull b'", ["a:latest", "b:latest"]),
        ("sudo -u x -E env A=b nice -n 5 timeout -k 3 10 docker pull a", ["a:latest"]),
        ("! docker pull a || { docker pull b; }", ["a:latest", "b:latest"]),
        ("bash <<E\ndocker pull a\nE", ["a:latest"]),
        ("docker pull docker://a", ["a:latest"]),
    ],
)  # fmt: skip
def test_images_of_a_script(text: str, images: list[str], tmp_path: Path) -> None:
    found = learned(text, tmp_path, GIVEN="given:3", OPTIONS="--rm --name x")
    assert sorted({use.reference for use in found.uses}) == images
    assert found.uses or found.left_out


def test_scripts_stay_in_the_repository(tmp_path: Path) -> None:
    """Neither by a path, nor by a link."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (tmp_path / "out.sh").write_text("docker pull outside")
    (folder / "link.sh").symlink_to(tmp_path / "out.sh")
    (folder / "in.sh").write_text("docker pull inside; ./in.sh")
    text = "../out.sh; sh ../out.sh; ./link.sh; . link.sh; cd ..; sh out.sh; cd repository; ./in.sh"
    found = learned(text, folder)
    assert [use.reference for use in found.uses] == ["inside:latest"]
    built = learned("docker build -f ../Dockerfile .; docker compose -f ../c.yml up", folder)
    assert not built.builds
    assert {left.rule for left in built.left_out} == {"elsewhere"}


HOSTILE = {
    "substitutions": "$(" * 200_000,
    "quoted substitutions": '"$(' * 100_000,
    "parentheses": "(" * 200_000 + "docker pull a",
    "backticks": "`a" * 200_000,
    "heredocs": "<<a" * 200_000 + "\n",
    "heredocs without an end": "a <<b\n" * 100_000,
    "evals": "eval " * 50_000 + "docker pull a",
    "shells": "sh -c '" * 20_000,
    "doubling": "A=aaaaaaaa\n" + "A=$A$A\n" * 60_000 + "docker pull $A",
    "loops": "for a in " + "b " * 1000 + "; do\n" + "A=$A$a; docker pull $a$a$a\n" * 2000,
    "variables in subshells": "".join(f"A{n}=b;(\n" for n in range(60_000)),
    "words": "docker pull " + "a " * 200_000,
    "options": "docker run " + "-it " * 200_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_ends(name: str, tmp_path: Path) -> None:
    began = time.process_time()
    learned(HOSTILE[name], tmp_path)
    assert time.process_time() - began < 15


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from(
            ("docker ", "pull ", "run ", "build ", "compose ", "-f ", "-", "$(", ")", "(", "`", '"',
             "'", "\\", "\n", "<<E", "E", "$A", "${A:-", "}", "A=", ";", "|", "for i in ", "do ",
             "cd ", "sh -c ", "eval ", "if ", "fi ", "xargs ", "ssh ", " ", "a:1 ", "#", "<", ">")
        )
        | st.text(max_size=3),
        max_size=30,
    ).map("".join)
)  # fmt: skip
def test_any_script(text: str) -> None:
    found = learned(text, Path("/nowhere"), A="-it")
    assert all(use.place.line >= 1 for use in found.uses)
