"""The operations, by what they are about. Importing this package fills the table."""

from vb.api.operations import (
    bridges,
    legs,
    legs_challenge,
    legs_media,
    legs_transfer,
    playback,
    recording,
    registrations,
    rooms,
    routing,
    system,
    trace,
    unbuilt,
)

__all__ = [
    "bridges",
    "legs",
    "legs_challenge",
    "legs_media",
    "legs_transfer",
    "playback",
    "recording",
    "registrations",
    "rooms",
    "routing",
    "system",
    "trace",
    "unbuilt",
]
