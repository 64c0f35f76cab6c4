"""JSON bodies: read leniently in form, strictly in type.

Keys match whatever their case and the last duplicate wins; unknown keys are ignored; ``null`` and an empty string mean
absent. What is left must have the declared type. Every field of a request is optional here: whether it is needed is
said by the operation, after the leg or room was found.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, TypeVar, Union

import msgspec

T = TypeVar("T")

MAX_DEPTH: Final = 32
"""Nesting of arrays and objects; deeper is refused."""
_MAX_INTEGER: Final = 2**63 - 1
_MAX_DIGITS: Final = 20  # of such a number with its sign: longer ones are not even converted


class BadJson(ValueError):
    """The text is not JSON, or not of the declared type; the message says which and where."""


class Body(msgspec.Struct, kw_only=True):
    """Base of all request bodies."""


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written: duplicates and order kept."""


def parse_json(text: bytes | str) -> Any:
    """Any JSON text; objects come as pairs. Raises BadJson for anything else, trailing text included."""
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        value = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise BadJson("invalid JSON") from error
    return value


def read_body(text: bytes | str, type_: type[T]) -> T:
    """A JSON object as ``type_``; ``null`` is an empty one. Raises BadJson."""
    return convert(parse_json(text), type_)


def convert(value: Any, type_: type[T]) -> T:
    """What ``parse_json`` gave as ``type_``. Raises BadJson with the path of the first wrong field."""
    if value is None:
        value = _Pairs()
    try:
        return msgspec.convert(_fold(value, type_, 0), type_)
    except msgspec.ValidationError as error:
        raise BadJson(_plain(str(error))) from error


def plain(value: Any) -> Any:
    """What ``parse_json`` gave, with ordinary dicts in it."""
    return _fold(value, None, 0)


def is_object(value: Any) -> bool:
    """Whether ``parse_json`` gave an object."""
    return isinstance(value, _Pairs)


def field_of(value: Any, name: str) -> Any:
    """One member of an object that ``parse_json`` gave, by the rules above; None when absent."""
    found = None
    for key, member in value:
        if key == name or key.casefold() == name:
            found = member
    return found


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Only the members of an object that ``names`` knows, each under the name it has there."""
    return _Pairs((names[key.casefold()], member) for key, member in value if key.casefold() in names)


def _fold(value: Any, type_: Any, depth: int) -> Any:
    """The value with the declared spelling of its keys, and without what counts as absent."""
    if depth > MAX_DEPTH:
        raise BadJson("invalid JSON: nested too deeply")
    if isinstance(value, _Pairs):
        if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
            return _fold_struct(value, type_, depth)
        item = _item_type(type_, dict)
        return {key: _fold(member, item, depth + 1) for key, member in value}
    if isinstance(value, list):
        item = _item_type(type_, list)
        return [_fold(member, item, depth + 1) for member in value]
    return value


def _fold_struct(value: _Pairs, type_: type[msgspec.Struct], depth: int) -> dict[str, Any]:
    names = _fields(type_)
    folded: dict[str, Any] = {}
    for key, member in value:
        known = names.get(key) or names.get(key.casefold())
        if known is None:
            continue
        name, kind = known
        if member is None or member == "":
            folded.pop(name, None)
        else:
            folded[name] = _fold(member, kind, depth + 1)
    return folded


@cache
def _fields(type_: type[msgspec.Struct]) -> dict[str, tuple[str, Any]]:
    """Case-folded name -> (name, type that matters for folding)."""
    hints = typing.get_type_hints(type_)
    return {
        f.encode_name.casefold(): (f.encode_name, _without_none(hints[f.name])) for f in msgspec.structs.fields(type_)
    }


def _without_none(type_: Any) -> Any:
    if typing.get_origin(type_) in (Union, types.UnionType):
        some = [kind for kind in typing.get_args(type_) if kind is not types.NoneType]
        return some[0] if len(some) == 1 else None
    return type_


def _item_type(type_: Any, container: type) -> Any:
    if typing.get_origin(type_) is container:
        return _without_none(typing.get_args(type_)[-1])
    return None


def _plain(message: str) -> str:
    """msgspec's words without its code quotes."""
    return message.replace("`", "").replace("$.", "")


def _integer(digits: str) -> int | float:
    if len(digits) <= _MAX_DIGITS and abs(value := int(digits)) <= _MAX_INTEGER:
        return value
    return _number(digits)  # no int: wrong where one is wanted, and the rest of the text can still be read


def _number(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError("number too large")
    return value


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")  # RFC 8259 §6: no NaN, no Infinity


def _pairs(pairs: list[tuple[str, Any]]) -> _Pairs:
    return _Pairs((_whole(key), _whole(value)) for key, value in pairs)


def _whole(value: Any) -> Any:
    """Half a surrogate pair cannot be sent on as UTF-8: U+FFFD stands for it."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if type(value) is list:
        return [_whole(item) for item in value]
    return value


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_int=_integer, parse_float=_number, parse_constant=_constant
)
