"""The OpenAPI document holds: the server is sent what it allows, and what it does not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.schemas import BaseSchema

from holystone.agent.alert import Alert, Key, Kind, Severity
from holystone.agent.state import FAILED, JobResult
from holystone.agent.web.route import Route
from holystone.agent.web.routes import ROUTES
from holystone.agent.web.schemas import SCHEMAS
from tests.agent.web_agent import Served, bearer, serving

DOCUMENT = "/api/v1/openapi.json"
_REFUSED = ["400", "401", "403", "404", "405", "408", "409", "413", "415", "421", "429"]
_TAKEN = ["2xx", "401", "403", "404", "409", "413", "503"]
CHECKS = {
    "checks": {
        "negative_data_rejection": {"expected-statuses": _REFUSED},
        "positive_data_acceptance": {"expected-statuses": _TAKEN},
    },
    # Which text is an image's name the document does not say.
    "operations": [
        {
            "include-operation-id": "give_lease",
            "checks": {"positive_data_acceptance": {"expected-statuses": [*_TAKEN, "400"]}},
        }
    ],
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("web")) as made:
        yield made


@pytest.fixture(autouse=True)
def forgiven(served: Served) -> None:
    served.failures._seen.clear()


@pytest.fixture(scope="module")
def described(served: Served) -> BaseSchema:
    config = SchemathesisConfig.from_dict(CHECKS)
    return schemathesis.openapi.from_url(f"http://127.0.0.1:{served.port}{DOCUMENT}", config=config)


@pytest.mark.parametrize(
    ("route", "mode"),
    [
        pytest.param(route, mode, id=f"{route.name}-{mode.value}")
        for route in ROUTES
        for mode in GenerationMode
        # The others take nothing that could be wrong.
        if mode is GenerationMode.POSITIVE or route.in_path or route.in_query or route.in_body
    ],
)
def test_the_server_keeps_its_document(
    route: Route, mode: GenerationMode, served: Served, described: BaseSchema
) -> None:
    @settings(
        max_examples=40, derandomize=True, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=described[route.path][route.method].as_strategy(generation_mode=mode))
    def hold(case: Case[Any]) -> None:
        served.failures._seen.clear()  # Some cases have a wrong token.
        # A name that is not its own it does not answer to: see test_web_access.
        own = {"Host": f"127.0.0.1:{served.port}"}
        case.call_and_validate(headers=bearer(served.write) | own)

    hold()


def strict(schema: Any) -> Any:
    """The schema without room for fields that it does not name."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(each) for name, each in schema.items()}
    if "properties" in made:
        made["additionalProperties"] = False
    return made


def fits(document: Any, name: str) -> None:
    """Raise where a document has not exactly the fields of this schema."""
    whole = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": strict(SCHEMAS)}}
    jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker()).validate(
        document
    )


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/healthz", "Ok"), ("/api/v1/status", "Status"), ("/api/v1/plan?level=deep", "Plan"),
        ("/api/v1/images", "Images"), ("/api/v1/runs", "Runs"), ("/api/v1/runs/1", "Run"),
        ("/api/v1/samples", "Samples"), ("/api/v1/lease", "Leases"), ("/nothing", "Error"),
    ],
)  # fmt: skip
def test_every_field_of_an_answer_is_described(path: str, name: str, served: Served) -> None:
    state = served.agent.state
    state.ended(JobResult("weekly", 1.0, 2.0, FAILED, "why", 7, 1, 2, "schedule"))
    state.set(running="deep", running_since=3.0, waiting=("routine",), next={"weekly": 4.0})
    served.agent.firing = [
        Alert(Key(Kind.RUN_FAILED, "weekly"), Severity.WARNING, "it failed", 1.0, 2.0)
    ]
    lease = {"images": ["node"], "seconds": 60, "job": "4711"}
    fits(served.post("/api/v1/lease", lease).json, "Leases")
    fits(served.get(path).json, name)


def test_the_schemas_of_orders(served: Served) -> None:
    fits(served.post("/api/v1/clean", {"level": "deep"}).json, "Asked")
    fits(served.post("/api/v1/restore", {}).json, "Result")


def test_every_schema_is_used_and_every_used_one_is_there(served: Served) -> None:
    document = served.get(DOCUMENT).json
    used = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
    assert used == set(SCHEMAS)
    assert set(document["paths"]) >= {route.path for route in ROUTES}


def test_what_takes_a_token_is_told(served: Served) -> None:
    paths = served.get(DOCUMENT).json["paths"]
    assert paths["/healthz"]["get"]["security"] == []
    assert paths["/api/v1/plan"]["get"]["security"] == [{}, {"token": []}]
    assert paths["/api/v1/clean"]["post"]["security"] == [{"token": []}]
