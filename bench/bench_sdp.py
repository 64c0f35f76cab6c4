"""What session descriptions cost: ``python bench/bench_sdp.py``. Best of five loops on one core, in µs."""

from __future__ import annotations

import timeit
from collections.abc import Callable

from vb.sdp.description import parse_description
from vb.sdp.formats import parse_codec_names
from vb.sdp.offer_answer import Negotiation

CODECS = parse_codec_names("PCMU,PCMA")[0]
LOOPS = 2000


def negotiation() -> Negotiation:
    return Negotiation(address="127.0.0.1", codecs=CODECS, session_id=1)


def main() -> None:
    offer = negotiation().create_offer(4000)
    description = parse_description(offer)
    answerer = negotiation()
    answerer.receive_offer(offer)
    answer = answerer.create_answer(4002)

    def inbound() -> None:
        ours = negotiation()
        ours.receive_offer(offer)
        ours.create_answer(4002)

    def outbound() -> None:
        ours = negotiation()
        ours.create_offer(4000)
        ours.receive_answer(answer)

    measures: dict[str, Callable[[], object]] = {
        "parse": lambda: parse_description(offer),
        "print": description.to_bytes,
        "inbound call (offer read, answer made)": inbound,
        "outbound call (offer made, answer read)": outbound,
    }
    for name, run in measures.items():
        best = min(timeit.repeat(run, number=LOOPS, repeat=5)) / LOOPS
        print(f"{name:42} {best * 1e6:6.1f} µs")


if __name__ == "__main__":
    main()
