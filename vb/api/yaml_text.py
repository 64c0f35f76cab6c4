"""JSON-like values as YAML 1.2 text: block style, strings quoted as JSON does it, so that nothing is misread."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

# Words that are strings in every YAML version; the rest is quoted.
_PLAIN: Final = re.compile(r"[A-Za-z/$][\w/$.{}-]*")
_NOT_STRINGS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def to_yaml(value: Any) -> str:
    """The text of dicts (string keys), lists, strings, numbers, booleans and None; ends with a newline."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, member in value.items():
            yield from _entry(f"{_scalar(key)}:", member)
    elif isinstance(value, list | tuple) and value:
        for member in value:
            yield from _entry("-", member)
    else:
        yield _scalar(value)


def _entry(head: str, member: Any) -> Iterator[str]:
    nested = list(_lines(member))
    if not isinstance(member, dict | list | tuple) or not member:
        yield f"{head} {nested[0]}"
    elif head == "-":
        yield f"- {nested[0]}"
        yield from (f"  {line}" for line in nested[1:])
    else:
        yield head
        yield from (f"  {line}" for line in nested)


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _NOT_STRINGS:
        return value
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
