"""The JSON of the answers in the words of JSON Schema, as docs/reference/json.md tells it.

Every field named here is in every answer. Later versions add fields, so others may be there too.
"""

from __future__ import annotations

from typing import Any

from holystone.planner.verdict import KINDS

Schema = dict[str, Any]


def _nullable(schema: Schema) -> Schema:
    return schema | {"type": [schema["type"], "null"]}


def _record(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _map(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def _either(schema: Schema) -> Schema:
    """What has this schema, or null."""
    return {"oneOf": [schema, {"type": "null"}]}


def ref(name: str) -> Schema:
    """The schema of this name."""
    return {"$ref": f"#/components/schemas/{name}"}


TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
TIME: Schema = {"type": "string", "format": "date-time"}
ONE: Schema = {"type": "integer", "const": 1}
OBJECT: Schema = {"type": "object"}
_TEXT, _WHOLE, _TIME, _COUNT = (_nullable(each) for each in (TEXT, WHOLE, TIME, COUNT))
_FLAG = _nullable(FLAG)
_TEXTS = _list(TEXT)
_OPTIONS: Schema = {"type": ["array", "null"], "items": TEXT}
_KIND: Schema = {"type": "string", "enum": list(KINDS)}

_ENGINE = {
    "version": TEXT, "api_version": TEXT, "storage_driver": TEXT, "name": TEXT, "id": TEXT,
    "host": _TEXT, "store": TEXT,
}  # fmt: skip
_HEAD = {
    "schema": ONE,
    "engine": _record(**_ENGINE),
    "taken_at": TIME,
    "disk": _record(total_bytes=_COUNT, free_bytes=_COUNT, not_in_sight=_TEXT),
    "notes": _list(_record(problem=TEXT, kind=TEXT, id=_TEXT, name=_TEXT, text=TEXT)),
}
_PROMISE = {
    "freed_bytes": COUNT, "estimated": FLAG, "at_least_bytes": COUNT, "at_most_bytes": COUNT,
    "held_by_cache_bytes": COUNT,
}  # fmt: skip
_REASONS = _list(_record(rule=TEXT, text=TEXT, facts=OBJECT))
_VERDICT = {
    "action": {"type": "string", "enum": ["keep", "remove"]},
    "freed_bytes": COUNT,
    "reasons": _REASONS,
}
_ASKED = {
    "target_free_bytes": _COUNT, "options": _OPTIONS, "tagged_removed": COUNT,
    "tagged_under_pressure": _COUNT,
}  # fmt: skip
_RUN = _record(
    id=COUNT, level=TEXT, engine=_record(id=TEXT, host=_TEXT, store=TEXT, name=TEXT),
    endpoint=TEXT, job=_TEXT, started_at=TIME, ended_at=_TIME, state=TEXT, interrupted=_TEXT,
    steps=COUNT, planned_bytes=COUNT, estimated=FLAG, freed_bytes=COUNT, removed=COUNT,
    skipped=COUNT, failed=COUNT, unknown=COUNT, not_tried=COUNT,
    free_before_bytes=_COUNT, free_after_bytes=_COUNT,
    **_ASKED,
)  # fmt: skip
_REMOVAL = _record(
    kind=_KIND, id=TEXT, names=_TEXTS, tags=_TEXTS, digests=_TEXTS, platforms=_TEXTS,
    labels=_map(TEXT), size_bytes=_COUNT, planned_bytes=COUNT, freed_bytes=_COUNT, result=_TEXT,
    detail=TEXT, lost=_TEXTS, reasons={**_REASONS, "type": ["array", "null"]}, settled_at=_TIME,
)  # fmt: skip
_IMAGE = _record(
    id=TEXT, tags=_TEXTS, digests=_TEXTS, size_bytes=COUNT, created_at=_TIME,
    last_tagged_at=_TIME, unique_bytes=_COUNT, shared_bytes=_COUNT, containers=_TEXTS,
    last_used_at=_TIME, **_VERDICT,
)  # fmt: skip
_RESULT = {
    "job": TEXT, "began_at": TIME, "ended_at": TIME, "result": TEXT, "said": _TEXT, "run": _COUNT,
    "removed": COUNT, "freed_bytes": WHOLE, "by": _TEXT,
}  # fmt: skip
_BRIEF = {
    "schema": ONE,
    "version": TEXT,
    "started_at": TIME,
    "engine": _record(
        endpoint=TEXT, state={"type": "string", "enum": ["starting", "up", "down"]}, said=_TEXT,
        since_at=_TIME, looked_at=_TIME, whole_at=_TIME,
    ),
    "disk": _record(
        total_bytes=_COUNT, free_bytes=_COUNT, not_in_sight=_TEXT, total_inodes=_COUNT,
        free_inodes=_COUNT, measured_at=_TIME,
    ),
    "watermark": _TEXT,
    "full_in_seconds": _WHOLE,
    "jobs": _record(
        running=_either(_record(job=TEXT, since_at=TIME)), waiting=_TEXTS,
        last=_map(_record(**_RESULT)), succeeded_at=_map(TIME), next_at=_map(TIME),
    ),
    "short_bytes": COUNT,
    "holds": _TEXT,
    "crashed": FLAG,
    "problems": _record(
        configuration=_TEXT, restart=_TEXT, receivers=_TEXT, textfile=_TEXT, ledger=_TEXT
    ),
    "alerts": _list(
        _record(
            kind=TEXT, about=TEXT, severity=TEXT, state=TEXT, reminder=FLAG, since=TIME,
            ended=_TIME, summary=TEXT, details=OBJECT,
        )
    ),
}  # fmt: skip
_GOING = _record(remove=COUNT, keep=COUNT, freed_bytes=COUNT)
_HOST = _record(
    **_HEAD,
    endpoint=TEXT,
    watermark=_TEXT,
    kinds=_record(
        image=_record(count=COUNT, stored_bytes=COUNT, unique_bytes=COUNT, shared_bytes=COUNT,
                      estimated=FLAG),
        container=_record(count=COUNT, running=COUNT, writable_bytes=COUNT),
        cache=_record(count=COUNT, own_bytes=COUNT, in_use_bytes=COUNT,
                      shared_with_images_bytes=COUNT),
        volume=_record(count=COUNT, known_bytes=COUNT, unknown=COUNT),
        network=_record(count=COUNT),
    ),
    account=_either(
        _record(
            used_bytes=COUNT, images_bytes=COUNT, containers_bytes=COUNT, cache_bytes=COUNT,
            volumes_bytes=COUNT, logs_bytes=_COUNT, orphans_bytes=_COUNT, engine_bytes=_COUNT,
            other_bytes=WHOLE, elsewhere=_TEXTS,
            logs=_list(_record(container=TEXT, name=TEXT, path=TEXT, size_bytes=COUNT,
                               limited=_FLAG)),
            orphans=_list(_record(path=TEXT, size_bytes=COUNT)),
        )
    ),
    last_audit=_either(
        _record(taken_at=TIME, used_bytes=COUNT, named_bytes=COUNT, dark_bytes=COUNT)
    ),
    clean=_record(**_PROMISE, kinds=_map(_GOING)),
)  # fmt: skip

SCHEMAS: dict[str, Schema] = {
    "Error": _record(error=_record(code=TEXT, message=TEXT, mend=_TEXT)),
    "Ok": _record(status={"type": "string", "const": "ok"}),
    "Status": _record(**_BRIEF, host=_either(_HOST)),
    "Plan": _record(
        **_HEAD,
        level=TEXT,
        only=_OPTIONS,
        **_PROMISE,
        target_free_bytes=_COUNT,
        unconfirmed=_TEXTS,
        configuration=_record(
            files=_list(_record(path=TEXT, says=TEXT)),
            without_effect=_list(_record(file=TEXT, line=_COUNT, key=TEXT, text=TEXT)),
        ),
        items=_list(_record(kind=_KIND, id=TEXT, names=_TEXTS, **_VERDICT)),
    ),
    "Images": _record(**_HEAD, images=_list(_IMAGE)),
    "Runs": _record(
        schema=ONE,
        since_at=_TIME,
        runs=_list(_RUN),
        totals=_record(
            runs=COUNT, runs_of_period=COUNT, removed=COUNT, tagged_removed=COUNT,
            tagged_under_pressure=COUNT, freed_bytes=COUNT, estimated=FLAG,
        ),
    ),
    "Run": _record(schema=ONE, run=_RUN, removals=_list(_REMOVAL)),
    "Samples": _record(
        schema=ONE,
        step=TEXT,
        samples=_list(
            _record(
                at=TIME, total_bytes=_COUNT, free_bytes=_COUNT, images_bytes=_COUNT,
                containers_bytes=_COUNT, cache_bytes=_COUNT, volumes_bytes=_COUNT,
                available_bytes=_COUNT,
            )
        ),
    ),
    "Leases": _record(
        schema=ONE,
        leases=_list(_record(id=TEXT, reference=TEXT, until_at=TIME, job=_TEXT, user=_TEXT)),
        notes=_TEXTS,
    ),
    "Asked": _record(schema=ONE, job=TEXT, by=TEXT),
    "Result": _record(schema=ONE, **_RESULT),
    "Inventory": {"type": "array", "description": "Differs between versions of holystone."},
    "OpenApi": OBJECT,
}  # fmt: skip
