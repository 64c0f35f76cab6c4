from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import pytest

from tests.room.stage import StageLeg, open_stage
from vb.call.errors import CommandError, Invalid
from vb.room.routing import hears, matrix_of, updated

NAMES = st.sampled_from(["agent", "customer", "coach"])


def test_rows_are_sorted_sets() -> None:
    assert matrix_of({"b": ["z", "a", "z"], "a": []}) == {"a": (), "b": ("a", "z")}
    assert list(matrix_of({"b": [], "a": []})) == ["a", "b"]


def test_a_name_is_never_empty() -> None:
    for rows in ({"": ["a"]}, {"a": [""]}, {"a": ["b", ""]}):
        with pytest.raises(Invalid):
            matrix_of(rows)
    for changes in ([("", None)], [("", ["a"])], [("a", [""])]):
        with pytest.raises(Invalid):
            updated({"a": ("b",)}, changes)


def test_an_update_sets_and_removes_rows() -> None:
    before = matrix_of({"agent": ["customer"], "customer": ["agent"]})
    after = updated(before, [("customer", None), ("coach", ["customer"]), ("nobody", None), ("coach", [])])
    assert after == {"agent": ("customer",), "coach": ()}
    assert list(before) == ["agent", "customer"]


@hypothesis.given(st.dictionaries(NAMES, st.lists(NAMES)), NAMES | st.just(""), NAMES | st.just(""))
def test_who_hears_whom(rows: dict[str, list[str]], listener: str, source: str) -> None:
    governed = listener in rows
    assert hears(matrix_of(rows), listener, source) == (not governed or source in rows[listener])


async def test_the_mix_follows_matrix_roles_and_members() -> None:
    async with open_stage() as stage:
        legs = {name: await stage.leg(connected=True) for name in ("agent", "customer", "coach", "late")}
        rooms, ports = stage.rooms, {name: leg.stage_port for name, leg in legs.items()}
        for name in ("agent", "customer"):
            rooms.add_leg("q", legs[name].id, role=name)
        rooms.add_leg("q", legs["coach"].id)
        mix = ports["agent"].mix
        assert mix is not None
        assert mix.routes == {}
        rooms.roles.change_matrix("q", "set", lambda _: matrix_of({"agent": ["customer", "coach"], "coach": []}))
        assert mix.routes == {ports["agent"]: {ports["customer"]}}
        rooms.roles.assign(legs["coach"].id, "coach")
        assert mix.routes == {ports["agent"]: {ports["customer"], ports["coach"]}, ports["coach"]: set()}
        rooms.add_leg("q", legs["late"].id, role="customer")
        assert mix.routes[ports["agent"]] == {ports["customer"], ports["coach"], ports["late"]}
        rooms.remove_leg("q", legs["customer"].id)
        assert mix.routes[ports["agent"]] == {ports["coach"], ports["late"]}
        assert legs["customer"].role == "customer"  # kept for the next room
        legs["coach"].end("api_hangup")
        assert mix.routes == {ports["agent"]: {ports["late"]}}
        rooms.roles.change_matrix("q", "set", lambda _: {})
        assert mix.routes == {}


async def test_events_of_roles_and_matrix() -> None:
    async with open_stage() as stage:
        leg: StageLeg = await stage.leg(connected=True)
        stage.rooms.roles.assign(leg.id, "outside")
        stage.rooms.roles.assign(leg.id, "outside")
        (event,) = stage.of("leg.role_changed")
        assert event.fields | {"x": 0} == event.fields | {"old_role": "", "new_role": "outside", "x": 0}
        assert "room_id" not in event.fields
        assert stage.of("room.routing_changed") == []
        stage.rooms.add_leg("q", leg.id, role="agent")
        stage.rooms.roles.change_matrix("q", "set", lambda _: matrix_of({"agent": ["b", "a"]}))
        stage.rooms.roles.assign(leg.id, "")
        changed = stage.of("leg.role_changed")[-1]
        assert (changed.room_id, changed.data) == ("q", {"old_role": "agent", "new_role": ""})
        assert [(event.data["reason"], event.data["matrix"]) for event in stage.of("room.routing_changed")] == [
            ("leg_joined", {}),
            ("set", {"agent": ("a", "b")}),
            ("leg_role_changed", {"agent": ("a", "b")}),
        ]


async def test_a_refused_change_changes_nothing() -> None:
    async with open_stage() as stage:
        stage.rooms.create("q")
        stage.rooms.roles.change_matrix("q", "set", lambda _: matrix_of({"a": ["b"]}))
        with pytest.raises(Invalid):
            stage.rooms.roles.change_matrix("q", "update", lambda m: updated(m, [("c", ["d"]), ("", [])]))
        assert stage.rooms.roles.matrix("q") == {"a": ("b",)}
        assert len(stage.of("room.routing_changed")) == 1
        for command in (
            lambda: stage.rooms.roles.matrix("x"),
            lambda: stage.rooms.roles.change_matrix("x", "set", lambda _: {}),
            lambda: stage.rooms.roles.assign("x", "a"),
        ):
            with pytest.raises(CommandError) as refused:
                command()
            assert refused.value.status == 404
            assert refused.value.message.split()[1:] == ["x", "not", "found"]
