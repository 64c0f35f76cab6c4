"""The specification of /v1/vsi (AsyncAPI 3.0): commands from the table of operations, events from their catalogue."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from vb.api import operations  # noqa: F401  (fills the table)
from vb.api.event_catalogue import EVENTS
from vb.api.notation import schema_of
from vb.api.openapi import VERSION, result_schema
from vb.api.operation import TABLE, Operation

_ENVELOPE: Final = "type! timestamp! event_id! instance_id! "
_FRAMES: Final = {
    "connected": ("send", "type!"),
    "resumed": ("send", "type! missed!:int"),
    "ping": ("send", "type! seq!:int event_id:int"),
    "pong": ("receive", "type!"),
    "stop": ("receive", "type!"),
    "events_dropped": ("send", "type! count!:int"),
    "error": ("send", "type! request_id data!:object"),
}


def asyncapi() -> dict[str, Any]:
    """The whole document, seen from the server: it receives commands and sends results and events."""
    messages: dict[str, Any] = {}
    sent: list[str] = []
    received: list[str] = []
    for type_, (direction, fields) in _FRAMES.items():
        messages[type_] = {"name": type_, "payload": _typed(type_, schema_of(fields))}
        (sent if direction == "send" else received).append(type_)
    for operation in TABLE:
        if operation.vsi:
            received.append(operation.vsi)
            sent.append(f"{operation.vsi}.result")
            messages[operation.vsi] = _command(operation)
            messages[f"{operation.vsi}.result"] = _result(operation)
    for type_, fields in EVENTS.items():
        sent.append(type_)
        messages[type_] = {"name": type_, "payload": _typed(type_, schema_of(_ENVELOPE + fields))}
    _, schemas = msgspec.json.schema_components(
        [op.body for op in TABLE if op.body is not None] + [op.result for op in TABLE if op.result is not None],
        ref_template="#/components/schemas/{name}",
    )
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "VoiceBlender VSI", "version": VERSION},
        "channels": {
            "vsi": {
                "address": "/v1/vsi",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                "bindings": {"ws": {"method": "GET", "query": schema_of("app_id since")}},
            }
        },
        "operations": {"receive": _direction("receive", received), "send": _direction("send", sent)},
        "components": {"messages": messages, "schemas": dict(sorted(schemas.items()))},
    }


def _direction(action: str, names: list[str]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/vsi"},
        "messages": [{"$ref": f"#/channels/vsi/messages/{name}"} for name in names],
    }


def _typed(type_: str, schema: dict[str, Any]) -> dict[str, Any]:
    schema["properties"]["type"] = {"const": type_}
    return schema


def _command(operation: Operation) -> dict[str, Any]:
    frame = _typed(operation.vsi, schema_of("type! request_id payload:object"))
    frame["properties"]["payload"] = payload_schema(operation)
    shown: dict[str, Any] = {"name": operation.vsi, "summary": operation.summary, "payload": frame}
    if not operation.built:
        shown["x-built"] = False
    return shown


def payload_schema(operation: Operation) -> dict[str, Any]:
    """The payload of a command: what is in the path and the body of the REST request, in one flat object."""
    schema = schema_of(" ".join(f"{name}!" for name in operation.payload_names))
    if operation.body is not None:
        _, components = msgspec.json.schema_components([operation.body], ref_template="#/components/schemas/{name}")
        body = components[operation.body.__name__]
        needs = list(operation.needs)
    else:
        body = schema_of(operation.fields)
        needs = body.get("required", [])
    for name, kind in body.get("properties", {}).items():
        schema["properties"][operation.vsi_fields.get(name, name)] = kind
    required = [*schema.get("required", []), *(operation.vsi_fields.get(name, name) for name in needs)]
    if required:
        schema["required"] = required
    return schema


def _result(operation: Operation) -> dict[str, Any]:
    frame = _typed(f"{operation.vsi}.result", schema_of("type! request_id data!:object"))
    frame["properties"]["data"] = result_schema(operation)
    return {"name": f"{operation.vsi}.result", "payload": frame}
