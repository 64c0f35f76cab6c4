"""Session descriptions made by Hypothesis: values of every field, and whole bodies."""

from __future__ import annotations

from hypothesis import strategies as st

from vb.sdp.fields import Attribute, Bandwidth, Connection, Description, Media, Origin, Timing

tokens = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-.!#$%&'*+^_`{|}~", min_size=1, max_size=12)
numbers = st.integers(0, 10**19)
texts = st.text(
    st.characters(blacklist_characters="\r\n\0", blacklist_categories=("Cs", "Zs", "Cc", "Zl", "Zp")), min_size=1
)
names = st.one_of(st.just(""), texts)
addresses = st.sampled_from(["192.0.2.1", "0.0.0.0", "224.2.1.1", "host.example"])
connections = st.one_of(
    st.builds(Connection, addresses, ttl=st.none()),
    st.builds(Connection, addresses, ttl=st.integers(0, 255), count=st.one_of(st.none(), st.integers(0, 9))),
    st.builds(
        Connection,
        st.sampled_from(["2001:db8::1", "::", "ff15::101"]),
        st.just("IP6"),
        count=st.one_of(st.none(), st.integers(0, 9)),
    ),
)
bandwidths = st.builds(Bandwidth, tokens, numbers)
attributes = st.builds(Attribute, tokens, st.one_of(st.none(), st.just(""), texts))


def tuples(of: st.SearchStrategy, most: int = 3) -> st.SearchStrategy:  # type: ignore[type-arg]
    return st.lists(of, max_size=most).map(tuple)


media = st.builds(
    Media,
    kind=tokens,
    port=st.integers(0, 65535),
    proto=st.sampled_from(["RTP/AVP", "RTP/SAVP", "UDP/TLS/RTP/SAVPF", "TCP/BFCP"]),
    formats=st.lists(tokens, min_size=1, max_size=5).map(tuple),
    port_count=st.one_of(st.none(), st.integers(0, 9)),
    title=st.one_of(st.none(), texts),
    connections=tuples(connections, 2),
    bandwidths=tuples(bandwidths),
    key=st.one_of(st.none(), texts),
    attributes=tuples(attributes),
)
descriptions = st.builds(
    Description,
    origin=st.builds(Origin, tokens, numbers, numbers, addresses),
    session_name=names,
    information=st.one_of(st.none(), texts),
    uri=st.one_of(st.none(), texts),
    emails=tuples(texts),
    phones=tuples(texts),
    connection=st.one_of(st.none(), connections),
    bandwidths=tuples(bandwidths),
    timings=st.lists(st.builds(Timing, numbers, numbers, tuples(texts)), min_size=1, max_size=3).map(tuple),
    zones=st.one_of(st.none(), texts),
    key=st.one_of(st.none(), texts),
    attributes=tuples(attributes),
    media=tuples(media),
)

lines = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [b"v=0", b"o=- 1 1 IN IP4 192.0.2.1", b"s=-", b"t=0 0", b"c=IN IP4 192.0.2.1", b"m=audio 4000 RTP/AVP 0 8",
         b"m=video 4002 RTP/AVP 96", b"a=sendonly", b"a=rtpmap:96 telephone-event/8000", b"r=1", b"b=AS:1", b"", b"m=",
         b"c=IN IP6 ::1", b"m=audio 4000 RTP/SAVP 0", b"a=rtpmap:0 PCMA/8000", b"a=:", b"z=1"]
    ),
)  # fmt: skip
bodies = st.lists(lines, max_size=12).map(lambda some: b"\r\n".join([b"v=0", b"o=- 1 1 IN IP4 192.0.2.1", *some]))
