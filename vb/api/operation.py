"""The one table of what the API can do.

An operation is declared once, beside the function that does it. The REST route, the VSI command, the validation of its
body and both specifications are made from that declaration.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, Final, TypeVar

import attrs
import msgspec

from vb.api.schema import Body
from vb.call.errors import CommandError

F = TypeVar("F", bound=Callable[..., Any])

# How a path parameter is called in the payload of the VSI command.
_VSI_NAMES: Final = {
    "legID": "leg_id",
    "playbackID": "playback_id",
    "ttsID": "tts_id",
    "bridgeID": "bridge_id",
    "streamId": "stream_id",
}


class NotBuilt(CommandError):
    """The operation is part of the contract but not of this version: 501."""

    status = 501


@attrs.frozen(kw_only=True)
class Operation:
    """One operation. ``run(services, *path values[, body])`` does it, directly or as a coroutine function.

    ``path`` is below /v1 unless ``root``. ``vsi`` names the VSI command ("" if there is none) and ``vsi_names`` the
    payload fields of the path parameters; ``vsi_fields`` renames fields of the body there. ``lanes`` are the payload
    fields that name the leg or room whose commands keep their order. ``needs`` are the fields a caller must give;
    ``creates``: a repetition with the same Idempotency-Key gets the first answer;
    ``query`` are the parameters of the URL, over REST instead of a body;
    ``fields`` describes the body of an operation that is not ``built``. ``texts`` are the content types that one which
    makes its whole answer itself (`vb.api.raw`) may give beside JSON.
    """

    name: str
    method: str
    path: str
    tag: str
    summary: str
    status: int
    errors: tuple[int, ...]
    run: Callable[..., Any]
    body: type[Body] | None = None
    body_required: bool = False
    needs: tuple[str, ...] = ()
    result: Any = None
    fields: str = ""
    query: tuple[str, ...] = ()
    vsi: str = ""
    vsi_names: Mapping[str, str] = attrs.field(factory=dict)
    vsi_fields: Mapping[str, str] = attrs.field(factory=dict)
    lanes: tuple[str, ...] = ()
    creates: bool = False
    root: bool = False
    websocket: bool = False
    built: bool = True
    texts: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """The whole path template."""
        return self.path if self.root else "/v1" + self.path

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the path parameters, in order."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))

    @cached_property
    def payload_names(self) -> tuple[str, ...]:
        """Names of the path parameters in the VSI payload, in order."""
        return tuple(self.vsi_names.get(name, _VSI_NAMES.get(name, name)) for name in self.parameters)

    @cached_property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.run)

    @cached_property
    def payload_fields(self) -> Mapping[str, str]:
        """Payload field -> body field: `body_names` the other way round."""
        return {name: field for field, name in self.body_names.items()}

    @cached_property
    def body_names(self) -> Mapping[str, str]:
        """Body field -> payload field."""
        if self.body is None:
            return {}
        return {
            f.encode_name: self.vsi_fields.get(f.encode_name, f.encode_name) for f in msgspec.structs.fields(self.body)
        }


class Table:
    """All operations, by name and by VSI command."""

    def __init__(self) -> None:
        self.operations: dict[str, Operation] = {}
        self.commands: dict[str, Operation] = {}

    def add(self, operation: Operation) -> None:
        """Raises ValueError when a name or command is taken."""
        if operation.name in self.operations or (operation.vsi and operation.vsi in self.commands):
            raise ValueError(f"{operation.name} is declared twice")
        self.operations[operation.name] = operation
        if operation.vsi:
            self.commands[operation.vsi] = operation

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations.values())


TABLE: Final = Table()


def operation(
    method: str, path: str, name: str, *, status: int = 200, errors: tuple[int, ...] = (404,), **more: Any
) -> Callable[[F], F]:
    """Declare the decorated function as an operation; ``more`` are fields of Operation, its docstring the summary."""

    def declare(run: F) -> F:
        summary = (run.__doc__ or "").strip().split("\n")[0]
        TABLE.add(
            Operation(
                name=name, method=method, path=path, status=status, errors=errors, run=run, summary=summary, **more
            )
        )
        return run

    return declare
