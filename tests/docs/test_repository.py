"""The repository's own files: nothing in them of the machine they were made on, no dead links."""

from __future__ import annotations

import posixpath
import re
import subprocess

import pytest

from tests.docs.tracked import ROOT, documents, texts, tracked

# Written apart, or this file would not pass its own test.
REGISTRIES = [
    host.replace(" ", ".")
    for host in (
        "pypi org", "pypi python org", "pythonhosted org", "anaconda org",
        "registry npmjs org", "npmjs com", "registry yarnpkg com",
        "crates io", "proxy golang org", "sum golang org", "rubygems org", "packagist org",
        "repo maven apache org", "repo1 maven org", "api nuget org",
        "deb debian org", "security debian org", "archive ubuntu com", "dl-cdn alpinelinux org",
    )
]  # fmt: skip
# Caches below /root are those of a container: a Dockerfile mounts them there.
MACHINE_PATH = re.compile(
    r"(?<![\w.~})-])/(?:root/(?!\.(?:cache|cargo|gradle|m2|npm)\b)|work/|(?:home|Users)/\w)"
)
LONGEST_LINE = 500

MARKDOWN_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FENCED = re.compile(r"^( *)(```+|~~~+).*?^\1\2 *$", re.MULTILINE | re.DOTALL)


def none_with(pattern: re.Pattern[str], why: str) -> None:
    """Fail with every line of the repository that has the pattern."""
    found = [
        f"{path}:{number}: {line.strip()[:120]}"
        for path, text in texts().items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    if found:
        pytest.fail(f"{why}:\n" + "\n".join(found), pytrace=False)


def anchors(path: str) -> set[str]:
    """The anchors that a code host makes of the headings of a document."""
    headings = re.findall(r"^#+ +(.+?) *$", FENCED.sub("", documents()[path]), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")
        for heading in headings
    }


def test_no_registry_host() -> None:
    hosts = re.compile("|".join(map(re.escape, REGISTRIES)), re.IGNORECASE)
    none_with(hosts, "which package registry to use is for the user to say")


def test_no_path_of_a_machine() -> None:
    none_with(MACHINE_PATH, "this path is that of one machine")


def test_nothing_is_minified() -> None:
    too_long = re.compile(f".{{{LONGEST_LINE + 1}}}")
    none_with(too_long, "nobody can read or compare a line like this")


@pytest.mark.parametrize("path", ["requirements.lock", "requirements-docs.lock"])
def test_lock_is_complete_and_has_no_address(path: str) -> None:
    lock = texts()[path]
    assert "://" not in lock
    requirements = re.findall(r"^(?![ #])(.+)$", lock, re.MULTILINE)
    assert requirements
    assert [line for line in requirements if not re.match(r"[\w.-]+==[\w.]+ .*\\$", line)] == []
    assert lock.count("==") <= lock.count("--hash=sha256:")


@pytest.mark.parametrize("path", sorted(documents()))
def test_links_lead_somewhere(path: str) -> None:
    dead = []
    for link in MARKDOWN_LINK.findall(FENCED.sub("", documents()[path])):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), file)) if file else path
        exists = target in tracked() or any(each.startswith(f"{target}/") for each in tracked())
        if not exists or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("path", sorted(documents()))
def test_named_files_exist(path: str) -> None:
    top = {each.split("/")[0] for each in tracked() if "/" in each}
    named = {
        code.rstrip("/")
        for code in CODE.findall(FENCED.sub("", documents()[path]))
        if code.split("/")[0] in top and re.fullmatch(r"[\w.-]+/[\w./-]*", code)
    }
    assert sorted(each for each in named if not (ROOT / each).exists()) == []


@pytest.mark.parametrize("path", sorted(documents()))
def test_named_make_targets_exist(path: str) -> None:
    made = texts()["Makefile"] + texts()["integrations/make/holystone.mk"]
    targets = set(re.findall(r"^(?:\$\(HOLYSTONE_PREFIX\))?([a-z-]+):", made, re.MULTILINE))
    named = set(re.findall(r"(?:`|^\$? ?)make ([a-z-]+)", documents()[path], re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize(
    "path", [path for path, text in texts().items() if re.match(r"#!.*\bbash", text)]
)
def test_scripts_parse(path: str) -> None:
    subprocess.run(["bash", "-n", ROOT / path], check=True)


def test_site_has_every_page() -> None:
    """And no page that is gone."""
    pages = set(re.findall(r'"([\w/-]+\.md)"', texts()["zensical.toml"]))
    assert pages == {
        path for path in documents() if not path.startswith(("tests/", "src/", "bench/"))
    }
