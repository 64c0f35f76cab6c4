"""A short notation for flat objects: ``name`` is a string, ``name:int`` has another type, ``name!`` is required."""

from __future__ import annotations

from typing import Any, Final

_TYPES: Final[dict[str, dict[str, Any]]] = {
    "": {"type": "string"},
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "number": {"type": "number"},
    "array": {"type": "array", "items": {}},
    "object": {"type": "object"},
}


def schema_of(fields: str) -> dict[str, Any]:
    """The JSON schema of an object written in the notation. KeyError for an unknown type."""
    properties: dict[str, Any] = {}
    required: list[str] = []
    for word in fields.split():
        name, _, kind = word.partition(":")
        if name.endswith("!"):
            name = name[:-1]
            required.append(name)
        properties[name] = dict(_TYPES[kind])
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return schema
