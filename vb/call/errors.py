"""What a verb raises before anything happened: the whole of "no" that an operator can get.

The status is an HTTP status; the API maps it one to one to a REST answer or a VSI error frame.
"""

from __future__ import annotations


class CommandError(Exception):
    """A command was refused and changed nothing. ``status`` is the HTTP status, ``message`` the text for the caller."""

    status = 500

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        if status is not None:
            self.status = status


class Invalid(CommandError):
    """The request itself is wrong: 400."""

    status = 400


class NotFound(CommandError):
    """What the request names does not exist (any more): 404."""

    status = 404


class Conflict(CommandError):
    """The request does not fit the present state: 409."""

    status = 409


class Unavailable(CommandError):
    """Right now there is no room, no port or no listener for it: 503."""

    status = 503
