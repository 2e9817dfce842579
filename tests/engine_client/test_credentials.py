"""Credentials as the docker command keeps them: found, asked of helpers, and never shown."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from holystone.registry.credentials import Credentials, CredentialsError

SECRET = "open sesame"
REGISTRY = "registry.example.com:5000"


class Home:
    """A configuration folder and a PATH of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "config.json"
        self.environ = {"DOCKER_CONFIG": str(folder), "PATH": f"{folder}:/usr/bin:/bin"}

    def write(self, **config: Any) -> None:
        self.file.write_text(json.dumps(config))

    def helper(self, name: str, script: str) -> Path:
        """A credential helper; its calls are counted in a file beside it."""
        path = self.folder / f"docker-credential-{name}"
        calls = self.folder / f"calls-{name}"
        path.write_text(
            f'#!/bin/sh\nread -r server || true\necho "$1 $server" >> {calls}\n{script}\n'
        )
        path.chmod(0o755)
        return calls

    def login(self, domain: str = REGISTRY) -> dict[str, str]:
        """What the engine is told for a registry."""
        header = Credentials(self.environ, timeout=5).header(domain)
        return dict(json.loads(base64.urlsafe_b64decode(header))) if header else {}

    def fault(self, domain: str = REGISTRY, timeout: float = 5) -> str:
        """The one line that tells why there is no login, with nothing secret in it."""
        with pytest.raises(CredentialsError) as error:
            Credentials(self.environ, timeout=timeout).header(domain)
        text = str(error.value)
        assert "\n" not in text
        assert SECRET not in text
        assert text.endswith((".", "?"))
        return text


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def auth(text: str = f"ci:{SECRET}") -> str:
    return base64.b64encode(text.encode()).decode()


def test_a_user_without_a_configuration_has_no_login(home: Home) -> None:
    assert home.login() == {}


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"auth": auth()}, {"username": "ci", "password": SECRET}),
        ({"username": "ci", "password": SECRET}, {"username": "ci", "password": SECRET}),
        ({"auth": auth("ci:a:b")}, {"username": "ci", "password": "a:b"}),
        ({"identitytoken": SECRET}, {"identitytoken": SECRET}),
        ({"auth": auth("t:"), "identitytoken": "x"},
         {"username": "t", "password": "", "identitytoken": "x"}),
    ],
)  # fmt: skip
def test_a_login_in_the_file(home: Home, entry: dict[str, str], told: dict[str, str]) -> None:
    home.write(auths={REGISTRY: entry})
    assert home.login() == told | {"serveraddress": REGISTRY}
    assert home.login("registry.example.com") == {}


@pytest.mark.parametrize("key", [f"https://{REGISTRY}", f"http://{REGISTRY}/v1/", f"{REGISTRY}/v2"])
def test_a_login_under_a_url(home: Home, key: str) -> None:
    home.write(auths={"other.example.com": {"auth": auth("x:y")}, key: {"auth": auth()}})
    assert home.login()["password"] == SECRET


def test_docker_hub_has_a_key_of_its_own(home: Home) -> None:
    key = "https://index.docker.io/v1/"
    home.write(auths={key: {"auth": auth()}, "docker.io": {"auth": auth("x:y")}})
    assert home.login("docker.io") == {
        "username": "ci", "password": SECRET, "serveraddress": key
    }  # fmt: skip


def test_a_helper_comes_before_the_file_and_is_asked_once(home: Home) -> None:
    answer = json.dumps({"ServerURL": REGISTRY, "Username": "ci", "Secret": SECRET})
    calls = home.helper("vault", f"echo '{answer}'")
    home.helper("other", "exit 1")
    home.write(
        auths={REGISTRY: {"auth": auth("x:y")}},
        credHelpers={REGISTRY: "vault"},
        credsStore="other",
    )
    credentials = Credentials(home.environ)
    headers = {credentials.header(REGISTRY) for _ in range(3)}
    assert len(headers) == 1
    assert home.login()["password"] == SECRET
    assert calls.read_text().splitlines() == [f"get {REGISTRY}"] * 2


def test_the_store_for_all_registries_and_its_tokens(home: Home) -> None:
    answer = json.dumps({"Username": "<token>", "Secret": SECRET})
    calls = home.helper("store", f"echo '{answer}'")
    home.write(credsStore="store")
    hub = "https://index.docker.io/v1/"
    assert home.login("docker.io") == {"identitytoken": SECRET, "serveraddress": hub}
    assert calls.read_text() == f"get {hub}\n"


def test_a_helper_that_has_none(home: Home) -> None:
    home.helper("store", "echo credentials not found in native keychain; exit 1")
    home.write(credsStore="store", auths={REGISTRY: {"auth": auth()}})
    assert home.login() == {}


def test_the_variable_comes_first(home: Home) -> None:
    home.write(auths={REGISTRY: {"auth": auth("x:y")}, "other": {"auth": auth("o:p")}})
    home.environ["DOCKER_AUTH_CONFIG"] = json.dumps({"auths": {REGISTRY: {"auth": auth()}}})
    assert home.login()["password"] == SECRET
    assert home.login("other")["password"] == "p"
    home.environ["DOCKER_AUTH_CONFIG"] = SECRET
    assert "DOCKER_AUTH_CONFIG holds no JSON object" in home.fault()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo the vault is sealed; exit 1", "the vault is sealed"),
        ("echo broken >&2; exit 3", "broken"),
        ("exit 3", "it ended with code 3"),
        (f'echo \'{{"Secret": "{SECRET}"}}\'; exit 1', "it ended with code 1"),
        (f"echo {SECRET}", "its answer is not what docker expects"),
        (f"echo '[\"{SECRET}\"]'", "its answer is not what docker expects"),
        (f'echo \'{{"Username": 1, "Secret": "{SECRET}"}}\'', "its answer is not"),
    ],
)
def test_a_broken_helper(home: Home, script: str, words: str) -> None:
    home.helper("vault", script)
    home.write(credHelpers={REGISTRY: "vault"})
    fault = home.fault()
    assert words in fault
    assert "docker-credential-vault" in fault
    assert REGISTRY in fault


def test_a_helper_that_is_not_there_or_never_answers(home: Home) -> None:
    home.write(credsStore="nowhere")
    assert "it is not in PATH" in home.fault()
    home.helper("slow", "exec sleep 30")
    home.write(credsStore="slow")
    assert "no answer in 0.3 s" in home.fault(timeout=0.3)


@pytest.mark.parametrize(
    "content",
    [
        f"{{{SECRET}",
        f'["{SECRET}"]',
        f'{{"auths": "{SECRET}"}}',
        f'{{"auths": {{"{REGISTRY}": "{SECRET}"}}}}',
        f'{{"auths": {{"{REGISTRY}": {{"auth": "{SECRET}"}}}}}}',
        f'{{"auths": {{"{REGISTRY}": {{"auth": "{auth(SECRET)}"}}}}}}',
        '{"credsStore": 7}',
        '{"credHelpers": []}\n{"credHelpers"}',
    ],
)
def test_a_broken_file(home: Home, content: str) -> None:
    home.file.write_text(content)
    home.fault()


def test_a_file_that_cannot_be_read(home: Home) -> None:
    home.file.mkdir()
    assert "is a directory" in home.fault()
