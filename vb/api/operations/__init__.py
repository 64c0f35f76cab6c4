"""The operations, by what they are about. Importing this package fills the table."""

from vb.api.operations import legs, legs_challenge, legs_transfer, playback, recording, rooms, system, trace, unbuilt

__all__ = ["legs", "legs_challenge", "legs_transfer", "playback", "recording", "rooms", "system", "trace", "unbuilt"]
