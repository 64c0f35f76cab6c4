"""Recorded exchanges of the contract, and how an answer is compared with one: ``<room-1>`` stands for any one value."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent / "data" / "contract"
_PLACEHOLDER = re.compile(r"<[a-z-]+-\d+>")


def recorded(name: str) -> list[dict[str, Any]]:
    """The steps of one flow."""
    steps: list[dict[str, Any]] = json.loads((DATA / f"{name}.json").read_text())
    return steps


class Same:
    """Compares, learning what the placeholders stand for."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}

    def matches(self, wanted: Any, got: Any) -> bool:
        if isinstance(wanted, str) and _PLACEHOLDER.fullmatch(wanted):
            return bool(self.known.setdefault(wanted, got) == got)
        if isinstance(wanted, dict) and isinstance(got, dict):
            same_keys = list(wanted) == list(got) or set(wanted) == set(got)
            return same_keys and all(self.matches(wanted[key], got[key]) for key in wanted)
        if isinstance(wanted, list) and isinstance(got, list):
            return len(wanted) == len(got) and all(map(self.matches, wanted, got))
        return bool(wanted == got)


def body_of(step: dict[str, Any]) -> str | None:
    """The body as it was sent."""
    if "raw_body" in step:
        return str(step["raw_body"])
    return json.dumps(step["body"]) if "body" in step else None
