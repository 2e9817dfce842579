"""Image references: the grammar, docker's normalisation, patterns, and what errors say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holystone.planner.reference import (
    InvalidReference,
    matches,
    parse,
    parse_pattern,
)

F64 = "f" * 64
SHA = f"sha256:{F64}"
DIGITS = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "domain", "path", "tag", "digest"),
    [
        ("python", "docker.io", "library/python", "", ""),
        ("python:3.12-slim", "docker.io", "library/python", "3.12-slim", ""),
        ("docker.io/python", "docker.io", "library/python", "", ""),
        ("index.docker.io/python", "docker.io", "library/python", "", ""),
        ("index.docker.io/a/b", "docker.io", "a/b", "", ""),
        ("library/python", "docker.io", "library/python", "", ""),
        ("ultralytics/yolov5:latest", "docker.io", "ultralytics/yolov5", "latest", ""),
        ("ghcr.io/a/b/c:1", "ghcr.io", "a/b/c", "1", ""),
        ("ghcr.io/a", "ghcr.io", "a", "", ""),
        ("localhost/app", "localhost", "app", "", ""),
        ("localhost:5000/app:5000", "localhost:5000", "app", "5000", ""),
        ("localhost:5000", "docker.io", "library/localhost", "5000", ""),
        ("test.com:tag", "docker.io", "library/test.com", "tag", ""),
        ("192.168.1.1:5000/repo:5050", "192.168.1.1:5000", "repo", "5050", ""),
        ("[2001:db8::1]:5000/repo:tag", "[2001:db8::1]:5000", "repo", "tag", ""),
        ("[::1]/repo", "[::1]", "repo", "", ""),
        ("REGISTRY/repo", "REGISTRY", "repo", "", ""),
        ("foo/foo_bar.com:8080", "docker.io", "foo/foo_bar.com", "8080", ""),
        ("a__b/c---d.e_f", "docker.io", "a__b/c---d.e_f", "", ""),
        ("xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com", "myimage", "xn--n3h.com", ""),
        (f"repo@{SHA}", "docker.io", "library/repo", "", SHA),
        (f"test:5000/repo:tag@{SHA}", "test:5000", "repo", "tag", SHA),
        (f"a/b@sha512:{F64 * 2}", "docker.io", "a/b", "", f"sha512:{F64 * 2}"),
        ("lower:UPPER_tag.1-2", "docker.io", "library/lower", "UPPER_tag.1-2", ""),
        ("a/" * 126 + "aaa", "docker.io", "a/" * 126 + "aaa", "", ""),
    ],
)
def test_parse(text: str, domain: str, path: str, tag: str, digest: str) -> None:
    assert parse(text) == (domain, path, tag, digest)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "cannot be empty"),
        (" app", "no blanks"),
        ("app\n", "no blanks"),
        (":justtag", "the name is missing"),
        (f"@{SHA}", "the name is missing"),
        ("https://ghcr.io/a/b", "is a URL"),
        ("Uppercase:tag", "'Uppercase' must be lower case"),
        ("test:5000/Uppercase/lower:tag", "'Uppercase/lower' must be lower case"),
        ("aa/asdf$$^/aa", "is not a repository name"),
        ("a//b", "a part of the repository name 'a//b' is empty"),
        ("a/", "is empty"),
        ("/a", "is empty"),
        ("ghcr.io/", "the name of the repository is missing"),
        ("-a", "is not a repository name"),
        ("a_-b", "is not a repository name"),
        ("a..b", "lower-case letters and digits, with '.', '_', '__' or '-' between them"),
        ("app@md5:zz", "is not a digest, which has algorithm:hexadecimal digits"),
        ("exa_mple.com:5000/a", "'exa_mple.com:5000' is not the name of a registry"),
        ("[2001:db8::1]", "is not a repository name"),
        ("[fe80::1%eth0]:5000/repo", "is not the name of a registry"),
        ("app:", "the tag is empty"),
        ("app:.1", "'.1' is not a tag"),
        ("app:a b", "'a b' is not a tag"),
        ("app:ä", "'ä' is not a tag"),
        ("app:" + "1" * 129, "the tag is longer than 128"),
        ("app:1:2", "'1:2' is not a tag"),
        ("app@", "'' is not a digest"),
        ("app@sha256:abc", "is not a digest, which has 64 hexadecimal digits"),
        (f"app@sha256:{'f' * 34}", "has 64 hexadecimal digits, this has 34"),
        (f"app@md5:{F64}", "unknown digest algorithm 'md5'"),
        (f"app@{SHA.upper()}", "unknown digest algorithm 'SHA256'"),
        (f"app@sha256:{F64.upper()}", "lower case"),
        (DIGITS, "is an image ID"),
        ("a/" * 128 + "a", "longer than 255"),
    ],
)
def test_parse_says_what_is_wrong(text: str, fault: str) -> None:
    with pytest.raises(InvalidReference) as told:
        parse(text)
    assert fault in str(told.value)


@pytest.mark.parametrize(
    ("text", "complete", "familiar"),
    [
        ("python", "docker.io/library/python:latest", "python:latest"),
        ("docker.io/library/python:3", "docker.io/library/python:3", "python:3"),
        ("docker.io/a/b", "docker.io/a/b:latest", "a/b:latest"),
        ("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
        ("localhost/app:1", "localhost/app:1", "localhost/app:1"),
        (f"python@{SHA}", f"docker.io/library/python@{SHA}", f"python@{SHA}"),
        (f"python:3@{SHA}", f"docker.io/library/python:3@{SHA}", f"python:3@{SHA}"),
    ],
)
def test_complete_and_familiar(text: str, complete: str, familiar: str) -> None:
    assert str(parse(text).complete) == complete
    assert parse(text).complete.familiar == familiar


domains = st.from_regex(r"([a-z0-9]{1,5}\.[a-z]{2}(:[0-9]{2})?/|localhost/)?", fullmatch=True)
paths = st.from_regex(r"[a-z0-9]{1,4}(/[a-z]{1,3}){0,2}", fullmatch=True)
names = st.builds("{}{}".format, domains, paths)
tags = st.from_regex(r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,9})?", fullmatch=True)


@given(names, tags)
def test_normal_and_familiar_forms_mean_the_same(name: str, tag: str) -> None:
    reference = parse(name + tag)
    assert parse(str(reference)) == reference
    assert parse(reference.familiar) == reference
    assert parse(str(reference.complete)).complete == reference.complete
    assert matches(name + tag, str(reference.complete)) or (tag and reference.tag != tag[1:])
    assert matches("*", name + tag)
    assert matches("**", name + tag)


@given(st.text(max_size=30))
def test_any_text_is_a_reference_or_told_why_not(text: str) -> None:
    try:
        reference = parse(text)
    except InvalidReference:
        return
    assert parse(str(reference)) == reference


@pytest.mark.parametrize(
    ("pattern", "reference"),
    [
        ("node", "node:18-alpine"),
        ("node", f"node@{SHA}"),
        ("node", "docker.io/library/node:20"),
        ("docker.io/node", "node:20"),
        ("library/node", "node:20"),
        ("index.docker.io/node:*", "node:20"),
        ("node:18-alpine", "node:18-alpine"),
        ("node:18-alpine", f"node:18-alpine@{SHA}"),
        ("python:*-slim", "python:3.12-slim"),
        ("python:3.1?-slim", "python:3.12-slim"),
        ("py*", "python:3"),
        ("docker.io/py*", "python:3"),
        ("registry.example.com/team/*", "registry.example.com/team/app:1"),
        ("registry.example.com/team/*", "registry.example.com/team/app/web:1"),
        ("registry.example.com/**/web", "registry.example.com/team/app/web:1"),
        ("registry.example.com/*/app", "registry.example.com/team/app:1"),
        ("*.example.com/team/*", "registry.example.com/team/app:1"),
        ("localhost:5000/*", "localhost:5000/a:1"),
        ("ultralytics/*", "ultralytics/yolov5:latest"),
        ("docker.io/*", "ultralytics/yolov5:latest"),
        ("docker.io/*", "node:20"),
        ("index.docker.io/*", "node:20"),
        ("library/*", "node:20"),
        ("*", "ghcr.io/a/b/c:1"),
        ("*:latest", "ghcr.io/a/b/c:latest"),
        ("*:*", "ghcr.io/a/b/c:latest"),
        ("**/backend", "registry.example.com/team/backend:1"),
        ("repo@sha256:*", f"repo@{SHA}"),
        ("*@sha256:*", f"ghcr.io/repo:1@{SHA}"),
        (f"repo@{SHA}", f"repo@{SHA}"),
    ],
)
def test_pattern_covers(pattern: str, reference: str) -> None:
    assert matches(pattern, reference)


@pytest.mark.parametrize(
    ("pattern", "reference"),
    [
        ("node", "nodes:1"),
        ("node", "team/node:1"),
        ("node", "ghcr.io/node:1"),
        ("node:18", "node:18-alpine"),
        ("node:18.1", "node:1801"),
        ("node:*", f"node@{SHA}"),
        ("node:18", f"node@{SHA}"),
        ("py*", "pytorch/pytorch:1"),
        ("python:*-slim", "python:3.12"),
        ("registry.example.com/team/*", "registry.example.com/team:1"),
        ("registry.example.com/team/*", "registry.example.com/teams/app:1"),
        ("registry.example.com/team/*", "registryXexample.com/team/app:1"),
        ("registry.example.com/*/app", "registry.example.com/a/b/app:1"),
        ("docker.io/*", "ghcr.io/docker.io/a:1"),
        ("*/backend", "registry.example.com/team/backend:1"),
        ("repo@sha256:*", "repo:1"),
        ("repo@sha256:0*", f"repo@{SHA}"),
        ("*:latest", f"repo@{SHA}"),
    ],
)
def test_pattern_leaves_alone(pattern: str, reference: str) -> None:
    assert not matches(pattern, reference)


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("", "cannot be empty"),
        ("Team/*/App", "is not a pattern of references"),
        ("*-", "'*-' is not a repository name"),
        ("team/App*", "'team/App*' must be lower case"),
        ("app:", "the tag is empty"),
        ("app:-*", "is not a tag"),
        ("app@*", "'*' is no digest; write it like sha256:*"),
        ("app@sha256:xyz", "is no digest"),
        (":*", "the name is missing"),
        ("a//*", "is empty"),
    ],
)
def test_pattern_says_what_is_wrong(pattern: str, fault: str) -> None:
    with pytest.raises(InvalidReference) as told:
        parse_pattern(pattern)
    assert fault in str(told.value)


def test_an_algorithm_of_a_digest_may_have_capitals() -> None:
    assert parse_pattern("app@Sha256:ab*").digest is not None
