"""The REST specification (OpenAPI 3.1), made from the table of operations."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

import msgspec

from vb.api import operations  # noqa: F401  (fills the table)
from vb.api.idempotency import MAX_KEY
from vb.api.notation import schema_of
from vb.api.operation import TABLE, Operation

VERSION: Final = version("vb")
_REASONS: Final = {
    101: "WebSocket",
    200: "OK",
    201: "Created",
    202: "Accepted; the outcome is an event",
    204: "Done",
    400: "The request is wrong",
    403: "Forbidden",
    404: "Not found",
    409: "Does not fit the present state",
    500: "Internal error",
    501: "Not built yet",
    502: "The other side refused",
    503: "Not available now",
}
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A repetition with the same key and body within 24 h gets the first answer; another body 409.",
    "schema": {"type": "string", "maxLength": MAX_KEY},
}
_METHODS: Final = frozenset({"GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"})


def openapi() -> dict[str, Any]:
    """The whole document. A method that OpenAPI does not know stands under ``x-<method>``."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in TABLE:
        key = operation.method.lower()
        if operation.method not in _METHODS:
            key = f"x-{key}"
        paths.setdefault(operation.url, {})[key] = _operation(operation)
    types = [op.body for op in TABLE if op.body is not None] + [op.result for op in TABLE if op.result is not None]
    _, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    components["Error"] = {
        "type": "object",
        "properties": {"instance_id": {"type": "string"}, "error": {"type": "string"}},
        "required": ["error"],
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "VoiceBlender API",
            "version": VERSION,
            "description": "Every object in an answer begins with instance_id. Unknown fields are ignored, keys match "
            "whatever their case, an empty string in an optional field means absent.",
        },
        "paths": paths,
        "security": [{}, {"bearer": []}, {"key": []}],
        "components": {"schemas": dict(sorted(components.items())), "securitySchemes": _SCHEMES},
    }


_SCHEMES: Final = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
"""Asked for where API_KEYS or API_KEYS_FILE names keys (``vb.api.keys``)."""


def _operation(operation: Operation) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in operation.parameters
        ]
        + [{"name": name, "in": "query", "required": False, "schema": {"type": "string"}} for name in operation.query]
        + ([_IDEMPOTENCY_KEY] if operation.creates else []),
        "responses": _responses(operation),
    }
    body = body_schema(operation)
    if body is not None and not operation.query:
        shown["requestBody"] = {
            "required": operation.body_required or "required" in body,
            "content": {"application/json": {"schema": body}},
        }
    if operation.vsi:
        shown["x-vsi-command"] = operation.vsi
    if not operation.built:
        shown["x-built"] = False
    return shown


def body_schema(operation: Operation) -> dict[str, Any] | None:
    """The schema of the request body; None when there is none."""
    if operation.body is not None:
        schema: dict[str, Any] = {"$ref": f"#/components/schemas/{operation.body.__name__}"}
        if operation.needs:
            schema = {"allOf": [schema], "required": list(operation.needs)}
        return schema
    return schema_of(operation.fields) if operation.fields else None


def result_schema(operation: Operation, template: str = "#/components/schemas/{name}") -> dict[str, Any]:
    """The schema of the answer."""
    if operation.result is None:
        return {}
    (schema,), _ = msgspec.json.schema_components([operation.result], ref_template=template)
    return schema


def _responses(operation: Operation) -> dict[str, Any]:
    success: dict[str, Any] = {"description": _REASONS[operation.status]}
    if operation.result is not None:
        texts = {content_type: {"schema": {"type": "string"}} for content_type in operation.texts}
        success["content"] = {"application/json": {"schema": result_schema(operation)}, **texts}
    codes = sorted(
        {
            *operation.errors,
            *((409,) if operation.creates else ()),
            *(() if operation.built else (501,)),
            *(() if operation.root else (403,)),
        }
    )
    failure = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {str(operation.status): success} | {
        str(code): {"description": _REASONS[code], "content": failure} for code in codes
    }
