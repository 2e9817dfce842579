"""The list of the endpoints that the agent calls is documented."""

from __future__ import annotations

from holystone.agent.endpoints import ENDPOINTS
from tests.docs.endpoint_table import DOCUMENT, HEADING, rewritten
from tests.docs.tracked import texts


def test_documentation_has_every_endpoint() -> None:
    text = texts()[DOCUMENT]
    assert f"{HEADING}\n" in text
    assert rewritten(text) == text, "`make examples` writes the list anew"


def test_no_request_is_on_the_list_twice() -> None:
    requests = [(each.method, each.path) for each in ENDPOINTS]
    assert len(set(requests)) == len(requests)


def test_what_a_pattern_matches() -> None:
    def fits(method: str, path: str) -> list[str]:
        return [each.path for each in ENDPOINTS if each.matches(method, path)]

    assert fits("GET", "/v1.43/images/r.example.com:5000/a/b@sha256:0/json?x=1") == [
        "/images/{name}/json"
    ]
    assert fits("GET", "/_ping") == ["/_ping"]
    assert fits("DELETE", "/v1.43/containers/0a") == ["/containers/{id}"]
    for method, path in (
        ("POST", "/v1.43/containers/0a/attach"),
        ("POST", "/v1.43/containers/create"),
        ("PUT", "/v1.43/containers/0a/archive"),
        ("DELETE", "/v1.43/containers/0a/more"),
        ("GET", "/v1.43/containers/0a/archive"),
        ("POST", "/v1.43/build"),
        ("GET", "/v1.43/secrets"),
    ):
        assert fits(method, path) == []
