# ruff: noqa: PT017 -- a documented exception is a result here
"""Fuzz target: SIP messages. ``python fuzz/fuzz_sip_message.py [seconds] [seed]`` mutates the corpus for that long.

What must hold for any octets: `parse_message` raises RemoteError or nothing; what it returns prints to what it parses
from; every typed field is a value that prints and parses back, or RemoteError; a framer gets the same out of a stream
whole and octet by octet; what can be salvaged can be answered.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from vb.sip.errors import RemoteError  # noqa: E402
from vb.sip.fields import parse_cseq, parse_name_addr, parse_via  # noqa: E402
from vb.sip.framing import StreamFramer  # noqa: E402
from vb.sip.limits import Limits  # noqa: E402
from vb.sip.message import Message, Request, make_response, parse_message  # noqa: E402
from vb.sip.salvage import salvage  # noqa: E402
from vb.sip.uri import parse_uri  # noqa: E402
from vb.sip.validate import validate  # noqa: E402

CORPUS = (ROOT / "tests/data/rfc4475", ROOT / "tests/data/rfc5118", ROOT / "fuzz/corpus/sip_message")
LIMITS = Limits(message=4096, header=512, headers=24)
DICTIONARY = (
    *(
        b"\r\n",
        b"\r\n\r\n",
        b"\r\n ",
        b"\r",
        b"\n",
        b":",
        b";",
        b",",
        b"<",
        b">",
        b'"',
        b"\\",
        b"%00",
        b"%",
        b"=",
        b"@",
    ),
    *(b"[::1]", b"[", b"]", b"?", b"*", b"\x00", b"\xff", b"\xc3\xbc", b" ", b"\t", b"99999999999999999999", b"-1"),
    *(b"SIP/2.0", b"SIP/3.0", b"Via: ", b"v:", b"l: 0", b"Content-Length: 5", b"Contact: *", b"To:", b"f: ", b"i:x"),
    *(b";tag=", b";branch=z9hG4bK", b";rport", b"sip:", b"tel:1", b"INVITE", b"CSeq: 1 INVITE", b"Content-Type: a/b"),
)
MESSAGE_FIELDS = (
    *("via", "vias", "from_", "to", "cseq", "call_id", "contacts", "contact_is_star", "routes", "record_routes"),
    *("require", "supported", "max_forwards", "expires", "content_type"),
)


def corpus() -> Iterator[tuple[str, bytes]]:
    """Name and octets of every seed."""
    for folder in CORPUS:
        for path in sorted(folder.glob("*.dat")):
            yield path.name, path.read_bytes()


def check(data: bytes) -> None:
    """Raises AssertionError, or whatever undocumented exception, when ``data`` shows a fault."""
    check_parse(data, LIMITS)
    check_parse(data, Limits())
    check_framer(data)


def check_parse(data: bytes, limits: Limits) -> None:
    try:
        message = parse_message(data, limits)
    except RemoteError as error:
        assert 400 <= error.status <= 599
        head = salvage(data, limits)
        if head is not None:
            assert head.via.host
            make_response(head, error.status, error.reason, to_tag="t").to_bytes()
        return
    text = message.to_bytes()
    again = parse_message(text)
    assert again == message
    assert again.to_bytes() == text
    check_fields(message)
    if isinstance(message, Request):
        response = parse_message(make_response(message, 200, to_tag="t").to_bytes())
        assert response.via == message.via
        assert response.to.uri == message.to.uri
        assert response.to.tag


def check_fields(message: Message) -> None:
    for name in MESSAGE_FIELDS:
        try:
            value = getattr(message, name)
        except RemoteError as error:
            assert error.status == 400
            assert name not in ("via", "from_", "to", "cseq", "call_id")
            continue
        for one in value if isinstance(value, tuple) else (value,):
            check_printed(one)
    for name, _ in message.headers:
        raises_only_remote_errors(lambda name=name: message.headers.values(name))
    raises_only_remote_errors(lambda: validate(message))


def check_printed(value: object) -> None:
    parse: dict[str, Callable[[str], object]] = {
        "NameAddr": parse_name_addr,
        "Via": parse_via,
        "CSeq": parse_cseq,
        "Uri": parse_uri,
    }
    kind = type(value).__name__
    if kind in parse:
        assert parse[kind](str(value)) == value
    if kind == "NameAddr":
        check_printed(value.uri)  # type: ignore[attr-defined]
        changed = value.uri.with_()  # type: ignore[attr-defined]  # without the text it was parsed from
        assert parse_uri(str(changed)) == changed


def raises_only_remote_errors(call: Callable[[], object]) -> None:
    try:
        call()
    except RemoteError as error:
        assert error.status == 400


def check_framer(data: bytes) -> None:
    whole, bitwise = StreamFramer(LIMITS), StreamFramer(LIMITS)
    messages = whole.feed(data)
    one_by_one = [message for octet in data for message in bitwise.feed(bytes([octet]))]
    assert one_by_one == messages
    assert bitwise.take_pongs() == whole.take_pongs()
    assert (bitwise.error is None) == (whole.error is None)
    if whole.error is not None and bitwise.error is not None:
        assert bitwise.error.status == whole.error.status
        assert whole.error_head.startswith(bitwise.error_head)
        assert len(whole.error_head) <= LIMITS.message
        salvage(whole.error_head, LIMITS)
    for message in messages:
        assert len(message) <= LIMITS.message
        check_parse(message, LIMITS)


def mutate(data: bytes, seeds: list[bytes], rng: random.Random) -> bytes:
    """A few random edits: octets, pieces of the dictionary, repetitions, pieces of other seeds."""
    edited = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at = rng.randint(0, len(edited))
        until = min(len(edited), at + rng.choice((0, 1, 1, 2, 8, 64)))
        kind = rng.randrange(6)
        if kind == 0:
            edited[at:until] = bytes([rng.randrange(256)])
        elif kind == 1:
            edited[at:until] = rng.choice(DICTIONARY)
        elif kind == 2:
            del edited[at:until]
        elif kind == 3:
            edited[at:at] = edited[at:until] * rng.randint(1, 40)
        elif kind == 4:
            other = rng.choice(seeds)
            start = rng.randint(0, len(other))
            edited[at:until] = other[start : start + rng.choice((16, 64, 4096))]
        else:
            edited[at:at] = rng.choice(DICTIONARY) * rng.randint(1, 60)
    return bytes(edited[:6000])


def main(seconds: float, seed: int) -> None:
    rng = random.Random(seed)
    seeds = [data for _, data in corpus()]
    deadline = time.monotonic() + seconds
    runs = 0
    while time.monotonic() < deadline:
        data = mutate(rng.choice(seeds), seeds, rng)
        try:
            check(data)
        except Exception:
            print(f"seed {seed}, run {runs}: {data!r}")
            raise
        runs += 1
    print(f"fuzz_sip_message: {runs} inputs in {seconds:g} s, seed {seed}, no fault")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10, int(sys.argv[2]) if len(sys.argv) > 2 else 1)
