"""The operations, by what they are about. Importing this package fills the table."""

from vb.api.operations import legs, playback, recording, rooms, system, unbuilt

__all__ = ["legs", "playback", "recording", "rooms", "system", "unbuilt"]
