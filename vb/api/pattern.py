"""Regular expressions in the syntax of RE2, searched in time linear in the text: no pattern of a client can stall us.

Supported: literals, ``.``, classes, ``\\d \\w \\s`` and their negations, ``^ $ \\A \\z \\b \\B``, groups, alternation,
``* + ? {n} {n,} {n,m}`` greedy or lazy, flags ``i s m``. As in RE2 there are no back references and no look-around.
Source of the method: Thompson, "Regular Expression Search Algorithm", CACM 11(6), 1968.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import attrs

from vb.api.pattern_parser import At, Chars, Choice, Node, PatternError, Ranges, Repeat, Sequence, parse

MAX_LENGTH: Final = 1000
"""Characters of a pattern."""
MAX_STATES: Final = 500
"""Size of a pattern once its repetitions are written out."""
MAX_TEXT: Final = 1024
"""Characters of the text that are looked at."""
_REMEMBERED: Final = 1024


@attrs.frozen
class _Step:
    """One state: consume a character of ``ranges``, or pass at ``place``, or go on to several (``next``)."""

    ranges: Ranges | None
    place: str
    next: tuple[int, ...]


class Pattern:
    """A compiled pattern. Raises PatternError."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:
            raise PatternError(f"longer than {MAX_LENGTH} characters")
        self.text = text
        self._steps: list[_Step] = [_Step(None, "match", ())]
        self._start = self._compile(parse(text), 0)
        self._known: dict[str, bool] = {}

    def search(self, text: str) -> bool:
        """Whether the pattern matches anywhere in the first MAX_TEXT characters."""
        found = self._known.get(text)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = self._known[text] = self._search(text[:MAX_TEXT])
        return found

    def _compile(self, node: Node, after: int) -> int:
        """Add the states of ``node``, which go on to ``after``; returns its first."""
        if isinstance(node, Chars):
            return self._add(_Step(node.ranges, "", (after,)))
        if isinstance(node, At):
            return self._add(_Step(None, node.kind, (after,)))
        if isinstance(node, Choice):
            return self._add(_Step(None, "", tuple(self._compile(option, after) for option in node.options)))
        if isinstance(node, Sequence):
            for part in reversed(node.parts):
                after = self._compile(part, after)
            return after
        return self._compile_repeat(node, after)

    def _compile_repeat(self, node: Repeat, after: int) -> int:
        if node.most is None:
            loop = self._add(_Step(None, "", ()))
            self._steps[loop] = _Step(None, "", (self._compile(node.part, loop), after))
            first = loop
        else:
            first = after
            for _ in range(node.most - node.least):
                first = self._add(_Step(None, "", (self._compile(node.part, first), after)))
        for _ in range(node.least):
            first = self._compile(node.part, first)
        return first

    def _add(self, step: _Step) -> int:
        if len(self._steps) >= MAX_STATES:
            raise PatternError("too complex")
        self._steps.append(step)
        return len(self._steps) - 1

    def _search(self, text: str) -> bool:
        states: set[int] = set()
        for index in range(len(text) + 1):
            states = self._reachable((*states, self._start), text, index)
            if 0 in states:
                return True
            if index < len(text):
                states = self._consume(states, ord(text[index]))
        return False

    def _reachable(self, states: Iterable[int], text: str, index: int) -> set[int]:
        seen: set[int] = set()
        waiting = list(states)
        while waiting:
            state = waiting.pop()
            if state in seen:
                continue
            seen.add(state)
            step = self._steps[state]
            if step.ranges is None and (not step.place or (step.place != "match" and _PLACES[step.place](text, index))):
                waiting.extend(step.next)
        return seen

    def _consume(self, states: set[int], char: int) -> set[int]:
        moved: set[int] = set()
        for state in states:
            step = self._steps[state]
            if step.ranges is not None and any(low <= char <= high for low, high in step.ranges):
                moved.update(step.next)
        return moved


def _is_word(text: str, index: int) -> bool:
    return 0 <= index < len(text) and text[index].isascii() and (text[index].isalnum() or text[index] == "_")


def _at_boundary(text: str, index: int) -> bool:
    return _is_word(text, index - 1) != _is_word(text, index)


_PLACES: Final[dict[str, Callable[[str, int], bool]]] = {
    "start": lambda _, index: index == 0,
    "end": lambda text, index: index == len(text),
    "line_start": lambda text, index: index == 0 or text[index - 1] == "\n",
    "line_end": lambda text, index: index == len(text) or text[index] == "\n",
    "boundary": _at_boundary,
    "no_boundary": lambda text, index: not _at_boundary(text, index),
}
