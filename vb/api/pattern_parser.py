"""The text of a regular expression as a tree; syntax of RE2 (github.com/google/re2/wiki/Syntax)."""

from __future__ import annotations

from typing import Final, NoReturn

import attrs

_DEPTH: Final = 50

Ranges = tuple[tuple[int, int], ...]
_TOP: Final = 0x10FFFF


class PatternError(ValueError):
    """The pattern cannot be used; the text says why."""


@attrs.frozen
class Chars:
    """One character out of ``ranges``."""

    ranges: Ranges


@attrs.frozen
class At:
    """A place: start, end, line start, line end, word boundary or none."""

    kind: str


@attrs.frozen
class Sequence:
    parts: tuple[Node, ...]


@attrs.frozen
class Choice:
    options: tuple[Node, ...]


@attrs.frozen
class Repeat:
    """``most`` None: without end."""

    part: Node
    least: int
    most: int | None


Node = Chars | At | Sequence | Choice | Repeat
EMPTY: Final = Sequence(())


def negated(ranges: Ranges) -> Ranges:
    """Every character that is in none of the ranges."""
    result: list[tuple[int, int]] = []
    low = 0
    for start, end in sorted(ranges):
        if start > low:
            result.append((low, start - 1))
        low = max(low, end + 1)
    if low <= _TOP:
        result.append((low, _TOP))
    return tuple(result)


def any_case(ranges: Ranges) -> Ranges:
    """The ranges with the other case of their ASCII letters."""
    more = list(ranges)
    for start, end in ranges:
        for first, last, shift in ((65, 90, 32), (97, 122, -32)):
            low, high = max(start, first), min(end, last)
            if low <= high:
                more.append((low + shift, high + shift))
    return tuple(more)


_DIGIT: Final[Ranges] = ((48, 57),)
_WORD: Final[Ranges] = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: Final[Ranges] = ((9, 10), (12, 13), (32, 32))
_CLASSES: Final[dict[str, Ranges]] = {
    "d": _DIGIT,
    "w": _WORD,
    "s": _SPACE,
    "D": negated(_DIGIT),
    "W": negated(_WORD),
    "S": negated(_SPACE),
}
_POSIX: Final[dict[str, Ranges]] = {
    "alpha": ((65, 90), (97, 122)),
    "digit": _DIGIT,
    "alnum": ((48, 57), (65, 90), (97, 122)),
    "upper": ((65, 90),),
    "lower": ((97, 122),),
    "space": ((9, 13), (32, 32)),
    "word": _WORD,
    "xdigit": ((48, 57), (65, 70), (97, 102)),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
}
_ESCAPES: Final = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13, "a": 7}
_PLACES: Final = {"A": "start", "z": "end", "b": "boundary", "B": "no_boundary"}
_MAX_COUNT: Final = 1000


def parse(text: str) -> Node:
    """Raises PatternError."""
    parser = _Parser(text)
    node = parser.choice(0)
    if parser.peek() == ")":
        raise PatternError("unexpected )")
    return node


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._flags: frozenset[str] = frozenset()

    def peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def choice(self, depth: int) -> Node:
        """Alternatives, up to a closing parenthesis or the end; flags set inside end with it."""
        if depth > _DEPTH:
            raise PatternError("nested too deeply")
        flags = self._flags
        options = [self._sequence(depth)]
        while self._take("|"):
            options.append(self._sequence(depth))
        self._flags = flags
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _take(self, text: str) -> bool:
        if self._text.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def _next(self, missing: str) -> str:
        char = self.peek()
        if not char:
            raise PatternError(missing)
        self._at += 1
        return char

    def _sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self._repeated(self._atom(depth)))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _repeated(self, node: Node) -> Node:
        count = 0
        while (bounds := self._bounds()) is not None:
            count += 1
            if count > 1 or node is EMPTY:
                raise PatternError("missing argument to repetition operator")
            node = Repeat(node, *bounds)
            self._take("?")
        return node

    def _bounds(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return bounds
        if self.peek() != "{":
            return None
        end = self._text.find("}", self._at)
        least, comma, most = self._text[self._at + 1 : max(end, self._at + 1)].partition(",")
        if end < 0 or not _is_count(least) or (most and not _is_count(most)):
            return None  # as in RE2, a brace that counts nothing stands for itself
        self._at = end + 1
        low = int(least)
        high = int(most) if most else (None if comma else low)
        if low > _MAX_COUNT or (high is not None and not low <= high <= _MAX_COUNT):
            raise PatternError("invalid repeat count")
        return low, high

    def _atom(self, depth: int) -> Node:
        char = self._next("empty")
        if char == "(":
            return self._group(depth)
        if char == "[":
            return Chars(self._cased(self._class()))
        if char == "\\":
            return self._escaped()
        if char == ".":
            return Chars(((0, 0x10FFFF),) if "s" in self._flags else negated(((10, 10),)))
        if char in "^$":
            lines = "line_" if "m" in self._flags else ""
            return At(lines + ("start" if char == "^" else "end"))
        if char in "*+?":
            raise PatternError("missing argument to repetition operator")
        return Chars(self._cased(((ord(char), ord(char)),)))

    def _cased(self, ranges: Ranges) -> Ranges:
        return any_case(ranges) if "i" in self._flags else ranges

    def _group(self, depth: int) -> Node:
        outer = self._flags
        if self._take("?"):
            if self._take("P<") or self._take("<"):
                end = self._text.find(">", self._at)
                if end < 0 or not self._text[self._at : end].isidentifier():
                    raise PatternError("invalid named capture")
                self._at = end + 1
            elif not self._take_flags():
                return EMPTY
        node = self.choice(depth + 1)
        self._flags = outer
        if not self._take(")"):
            raise PatternError("missing closing )")
        return node

    def _take_flags(self) -> bool:
        """``(?i)`` (False: it is complete) or ``(?i:`` (True: its content follows)."""
        start, on, flags = self._at, True, set(self._flags)
        while True:
            char = self._next("missing closing )")
            if char in "ismU":
                (flags.add if on else flags.discard)(char)
            elif char == "-" and on:
                on = False
            elif char in ":)":
                self._flags = frozenset(flags)
                return char == ":"
            else:
                raise PatternError(f"invalid or unsupported Perl syntax: (?{self._text[start : self._at]}")

    def _escaped(self) -> Node:
        char = self._next("trailing backslash at end of expression")
        if char in _PLACES:
            return At(_PLACES[char])
        if char in _CLASSES:
            return Chars(_CLASSES[char])
        code = self._code(char)
        return Chars(self._cased(((code, code),)))

    def _code(self, char: str) -> int:
        """The character that an escape stands for."""
        if char in _ESCAPES:
            return _ESCAPES[char]
        if char == "x":
            return self._hex()
        if char.isascii() and char.isalnum():
            self._unknown(char)
        return ord(char)

    def _hex(self) -> int:
        if self._take("{"):
            end = self._text.find("}", self._at)
            digits = self._text[self._at : max(end, self._at)]
            self._at = end + 1
        else:
            digits = self._text[self._at : self._at + 2].rjust(2)
            self._at += 2
        try:
            code = int(digits, 16) if digits.isalnum() and digits.isascii() else -1
        except ValueError:
            code = -1
        if not 0 <= code <= 0x10FFFF:
            self._unknown("x")
        return code

    def _unknown(self, char: str) -> NoReturn:
        raise PatternError(f"invalid escape sequence: \\{char}")

    def _class(self) -> Ranges:
        negate = self._take("^")
        ranges: list[tuple[int, int]] = []
        first = True
        while first or self.peek() != "]":
            first = False
            low = self._class_item(ranges)
            if low is None:
                continue
            high = low
            if self.peek() == "-" and self._text[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                end = self._class_item([])
                if end is None or end < low:
                    raise PatternError("invalid character class range")
                high = end
            ranges.append((low, high))
        self._at += 1
        return negated(tuple(ranges)) if negate else tuple(ranges)

    def _class_item(self, ranges: list[tuple[int, int]]) -> int | None:
        """One character, or None after adding a whole class to ``ranges``."""
        char = self._next("missing closing ]")
        if char == "[" and self._take(":"):
            end = self._text.find(":]", self._at)
            name = self._text[self._at : max(end, self._at)]
            if name.removeprefix("^") not in _POSIX:
                raise PatternError("invalid character class range")
            self._at = end + 2
            named = _POSIX[name.removeprefix("^")]
            ranges.extend(negated(named) if name.startswith("^") else named)
            return None
        if char != "\\":
            return ord(char)
        char = self._next("trailing backslash at end of expression")
        if char in _CLASSES:
            ranges.extend(_CLASSES[char])
            return None
        return self._code(char)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4
