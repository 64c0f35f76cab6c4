"""Two negotiations of one dialog, offering in turn as they like (RFC 3264 §8)."""

from __future__ import annotations

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.sdp.test_offer_answer import negotiation
from vb.sdp.description import Description, parse_description
from vb.sdp.errors import NotAcceptable
from vb.sdp.offer_answer import Negotiated
from vb.sdp.remote_audio import DIRECTIONS, Direction


class TwoSides(RuleBasedStateMachine):
    """Two negotiations of one dialog, offering in turn as they like: what both must agree on, always."""

    def __init__(self) -> None:
        super().__init__()
        self.sides = [negotiation("PCMU,PCMA", strict=True), negotiation("PCMA,PCMU", address="127.0.0.9", strict=True)]
        self.last: list[Description | None] = [None, None]
        self.video = False

    @rule(
        offerer=st.integers(0, 1),
        offered=st.sampled_from(list(DIRECTIONS)),
        wanted=st.sampled_from([None, *DIRECTIONS]),
        codec=st.sampled_from([None, None, "PCMU", "pcma"]),
        every_codec=st.booleans(),
        video=st.booleans(),
        lost=st.booleans(),
    )
    def exchange(
        self,
        offerer: int,
        offered: Direction,
        wanted: Direction | None,
        codec: str | None,
        every_codec: bool,
        video: bool,
        lost: bool,
    ) -> None:
        ours, theirs = self.sides[offerer], self.sides[1 - offerer]
        before = theirs.current
        offer = ours.create_offer(1000 + offerer, direction=offered, every_codec=every_codec)
        self._check_version(offerer, offer)
        if lost:
            return
        self.video = self.video or video
        if self.video and len(parse_description(offer).media) == 1:  # a peer with a camera, which it keeps offering
            offer += b"m=video 9 RTP/AVP 96\r\n"
        theirs.receive_offer(offer)
        try:
            answer = theirs.create_answer(1001 - offerer, codec=codec, direction=wanted)
        except NotAcceptable:
            assert codec is not None
            assert theirs.current == before
            return
        self._check_version(1 - offerer, answer)
        negotiated = ours.receive_answer(answer)
        assert theirs.current is not None
        self._check_agreed(negotiated, theirs.current)
        assert len(parse_description(answer).media) == 1 + self.video

    def _check_version(self, side: int, body: bytes) -> None:
        """RFC 3264 §8: one more exactly when anything else is different."""
        now, last = parse_description(body), self.last[side]
        if last is not None:
            same = attrs.evolve(now, origin=last.origin) == last
            assert now.origin.version == last.origin.version + (not same)
            assert now.origin.session_id == last.origin.session_id
            assert len(now.media) >= len(last.media), "sections never disappear"
        self.last[side] = now

    @staticmethod
    def _check_agreed(one: Negotiated, other: Negotiated) -> None:
        sends, receives = DIRECTIONS[one.direction]
        assert DIRECTIONS[other.direction] == (receives, sends)
        for here, there in ((one, other), (other, one)):
            assert there.receive[here.codec.payload_type].name == here.codec.name
            assert here.telephone_event == there.telephone_event_receive is not None


TestTwoSides = TwoSides.TestCase
