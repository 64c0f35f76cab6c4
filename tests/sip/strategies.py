"""Hypothesis strategies: URIs, fields and messages that the grammar of RFC 3261 §25.1 can say."""

from __future__ import annotations

from hypothesis import strategies as st

from vb.sip.fields import CSeq, NameAddr, Via
from vb.sip.grammar import quote
from vb.sip.headers import Headers
from vb.sip.message import Request, Response
from vb.sip.uri import Uri

TOKEN_ALPHABET = "abcXYZ019-.!%*_+`'~"
tokens = st.text(TOKEN_ALPHABET, min_size=1, max_size=12)
hosts = st.one_of(
    st.sampled_from(["example.com", "127.0.0.1", "h_o-st", "::1", "2001:db8::9:1", "::ffff:192.0.2.10", "fe80::"]),
    st.from_regex(r"[a-z][a-z0-9]{0,8}(\.[a-z]{1,5}){0,3}", fullmatch=True),
)
ports = st.none() | st.integers(0, 65535)
# Anything a UTF-8 string may hold: escapes must carry it.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
uri_params = st.lists(st.tuples(names, st.none() | names), max_size=3).map(tuple)
uri_headers = st.lists(st.tuples(names, texts), max_size=2).map(tuple)


@st.composite
def sip_uris(draw: st.DrawFn) -> Uri:
    user = draw(st.none() | names)
    password = None if user is None else draw(st.none() | texts)
    scheme = draw(st.sampled_from(["sip", "sips"]))
    return Uri(scheme, user, password, draw(hosts), draw(ports), draw(uri_params), draw(uri_headers))


other_uris = st.sampled_from(["tel:+358-555-1234567;ext=1", "urn:service:sos", "soap.beep://192.0.2.103:3002"]).map(
    lambda text: Uri(text.partition(":")[0], opaque=text.partition(":")[2])
)
uris = sip_uris() | other_uris

quoted = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=12).map(quote)
params = st.lists(st.tuples(tokens, st.none() | tokens | quoted), max_size=4).map(tuple)
displays = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=16)
name_addrs = st.builds(NameAddr, displays, uris, params)
vias = st.builds(
    Via,
    st.sampled_from(["UDP", "TCP", "TLS", "WS", "X-UNKNOWN"]),
    hosts,
    ports,
    st.lists(st.tuples(tokens, st.none() | tokens), max_size=4).map(tuple),
    st.sampled_from(["SIP/2.0", "SIP/7.0"]),
)
header_values = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t"), max_size=30).map(
    lambda text: text.strip(" \t")
)
extra_headers = st.lists(st.tuples(tokens.map(lambda name: "X-" + name), header_values), max_size=4)
call_ids = st.from_regex(r"[!-~]{1,20}", fullmatch=True)


@st.composite
def mandatory_headers(draw: st.DrawFn, method: str) -> Headers:
    items = [("Via", str(via)) for via in draw(st.lists(vias, min_size=1, max_size=3))]
    items.append((draw(st.sampled_from(["From", "f", "FROM"])), str(draw(name_addrs))))
    items.append((draw(st.sampled_from(["To", "t", "tO"])), str(draw(name_addrs))))
    items.append((draw(st.sampled_from(["Call-ID", "i", "call-id"])), draw(call_ids)))
    items.append(("CSeq", str(CSeq(draw(st.integers(0, 2**32 - 1)), method))))
    items += draw(extra_headers)
    return Headers(draw(st.permutations(items)))


bodies = st.binary(max_size=40)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    method = draw(st.sampled_from(["INVITE", "ACK", "BYE"]) | tokens)
    return Request(method, draw(uris), draw(mandatory_headers(method)), draw(bodies))


@st.composite
def responses(draw: st.DrawFn) -> Response:
    headers = draw(mandatory_headers(draw(tokens)))
    return Response(draw(st.integers(100, 699)), draw(header_values), headers, draw(bodies))


messages = requests() | responses()
