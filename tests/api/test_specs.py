"""The specifications: complete against the contract, and consistent in themselves."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import msgspec
import pytest
import yaml

from tests.api.recorded import recorded
from vb.api import spec_command
from vb.api.asyncapi import asyncapi
from vb.api.docs_page import page
from vb.api.event_catalogue import EVENTS
from vb.api.notation import schema_of
from vb.api.openapi import openapi
from vb.api.operation import TABLE, Operation, Table
from vb.api.yaml_text import to_yaml


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in value.items():
            if key == "$ref":
                yield member
            else:
                yield from references(member)
    elif isinstance(value, list):
        for member in value:
            yield from references(member)


def resolve(document: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        document = document[part.replace("~1", "/")]
    return document


@pytest.mark.parametrize("document", [openapi(), asyncapi()])
def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    for reference in references(document):
        assert resolve(document, reference) is not None


def test_every_operation_of_the_contract_is_there() -> None:
    paths = openapi()["paths"]
    names = {operation["operationId"] for methods in paths.values() for operation in methods.values()}
    for wanted in recorded("operations"):
        path = wanted["path"] if wanted["path"].startswith(("/metrics", "/debug")) else "/v1" + wanted["path"]
        methods = paths[path]
        method = wanted["method"].lower()
        found = methods.get(method) or methods[f"x-{method}"]
        assert found["operationId"] == wanted["name"]
        missing = set(map(str, wanted["statuses"])) - set(found["responses"])
        assert missing <= {"500"} or not TABLE.operations[wanted["name"]].built, wanted
    assert len(names) == len(list(TABLE))


def test_the_paths_of_openapi_have_only_what_it_knows() -> None:
    for path, methods in openapi()["paths"].items():
        assert path.startswith("/")
        for method, operation in methods.items():
            assert method in ("get", "put", "post", "delete", "patch") or method.startswith("x-")
            declared = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            assert declared == {part[1:-1] for part in path.split("/") if part.startswith("{")}
            assert all(response["description"] for response in operation["responses"].values())


def test_every_command_and_event_of_the_contract_is_there() -> None:
    messages = asyncapi()["components"]["messages"]
    for wanted in recorded("commands"):
        payload = messages[wanted["type"]]["payload"]["properties"]["payload"]
        # A candidate is an object of the browser's: not built.
        missing = set(wanted["payload"]) - set(payload["properties"]) - {"candidate", "livekit"}
        assert missing == set(), wanted["type"]
        assert set(wanted["required"]) - set(payload.get("required", [])) <= {"candidate", "volume"}, wanted["type"]
        assert f"{wanted['type']}.result" in messages
    for wanted in recorded("events"):
        schema = messages[wanted["type"]]["payload"]
        assert set(wanted["fields"]) <= set(schema["properties"])
        assert set(wanted["always"]) <= set(schema["required"])


def test_the_yaml_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    for name, document in (("openapi", openapi()), ("asyncapi", asyncapi())):
        plain = msgspec.json.decode(msgspec.json.encode(document))
        assert spec_command.run(argparse.Namespace(document=name, json=False)) == 0
        assert yaml.safe_load(capsys.readouterr().out) == plain
        assert spec_command.run(argparse.Namespace(document=name, json=True)) == 0
        assert msgspec.json.decode(capsys.readouterr().out) == plain


@pytest.mark.parametrize(("name", "document"), [("openapi", openapi()), ("asyncapi", asyncapi())])
def test_the_printed_documents_are_up_to_date(name: str, document: dict[str, Any]) -> None:
    """When this fails: ``make docs``."""
    assert (Path(__file__).parents[2] / "docs" / f"{name}.yaml").read_text() == to_yaml(document)


def test_the_page_names_everything_and_loads_nothing() -> None:
    text = page()
    assert [op.name for op in TABLE if op.url.replace("&", "&amp;") not in text] == []
    assert [name for name in EVENTS if name not in text] == []
    assert "src=" not in text
    assert "http" not in text


def test_the_notation() -> None:
    assert schema_of("a! b:int c!:array") == {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "integer"}, "c": {"type": "array", "items": {}}},
        "required": ["a", "c"],
    }
    with pytest.raises(KeyError):
        schema_of("a:nosuch")


def test_an_operation_is_declared_once() -> None:
    table = Table()
    operation = Operation(
        name="a", method="GET", path="/a/{id}", tag="T", summary="", status=200, errors=(), run=print, vsi="a"
    )
    table.add(operation)
    with pytest.raises(ValueError, match="declared twice"):
        table.add(operation)


def test_every_command_with_a_leg_or_room_keeps_its_order() -> None:
    for operation in TABLE:
        if operation.vsi and operation.parameters and operation.built:
            assert operation.lanes or operation.payload_names


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text(st.characters(exclude_categories=["C", "Z"])),
        st.sampled_from(["yes", "1e3", "- a", "a: b", "", "~", "0x1", "1:2"]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab-: ", max_size=4), inner, max_size=3),
    max_leaves=8,
)


@hypothesis.given(VALUES)
def test_any_value_comes_back_from_yaml(value: Any) -> None:
    assert yaml.safe_load(to_yaml(value)) == value
