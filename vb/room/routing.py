"""The routing matrix of a room: which roles a role hears."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from vb.call.errors import Invalid

Matrix = dict[str, tuple[str, ...]]
"""Listener's role -> roles it hears, sorted. A role without a row hears everybody, one with an empty row nobody."""


def matrix_of(rows: Mapping[str, Iterable[str]]) -> Matrix:
    """A whole matrix. Raises Invalid for an empty role name."""
    return {role: _row(role, sources) for role, sources in sorted(rows.items())}


def updated(matrix: Matrix, changes: Sequence[tuple[str, Sequence[str] | None]]) -> Matrix:
    """``matrix`` with some rows set, and those that are given as None removed; the last word on a role counts.

    Raises Invalid for an empty role name; then nothing is changed.
    """
    rows = dict(matrix)
    for role, sources in changes:
        if sources is None:
            _check(role)
            rows.pop(role, None)
        else:
            rows[role] = _row(role, sources)
    return dict(sorted(rows.items()))


def hears(matrix: Matrix, listener: str, source: str) -> bool:
    """Whether a leg of role ``listener`` hears one of role ``source``; "" is a leg without a role."""
    row = matrix.get(listener)
    return row is None or source in row


def _row(role: str, sources: Iterable[str]) -> tuple[str, ...]:
    _check(role)
    names = sorted(set(sources))
    for name in names:
        _check(name)
    return tuple(names)


def _check(role: str) -> None:
    if not role:
        raise Invalid("role names must not be empty")
