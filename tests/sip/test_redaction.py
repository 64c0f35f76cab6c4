"""What may be shown of a message: everything but secrets, whatever the message is."""

from __future__ import annotations

import time

import hypothesis
import hypothesis.strategies as st
import pytest

from vb.sip.redaction import hide_credentials, redact_message
from vb.sip.uri import Uri

SECRET = "hunter2hunter2"

LEAKS = [
    f'INVITE sip:x SIP/2.0\r\nAuthorization: Digest username="a", response="{SECRET}"\r\n\r\n',
    f"INVITE sip:x SIP/2.0\r\nauthorization :{SECRET}\r\n\r\n",
    f'X: y\r\nProxy-Authorization:\r\n\tDigest\r\n username="a",\r\n response="{SECRET}"\r\nTo: b\r\n\r\n',
    f"X: y\nAuthorization: Basic {SECRET}\n\n",
    f"X: y\rAuthorization: Bearer {SECRET}\rTo: b",
    f"SIP/2.0 200 OK\r\nAuthentication-Info: rspauth={SECRET}\r\n\r\n",
    f"INVITE sip:x SIP/2.0\r\nX-Webhook-Secret: {SECRET}\r\n\r\n",
    f"INVITE sip:alice:{SECRET}@h SIP/2.0\r\n\r\n",
    f"INVITE SIPS:alice:{SECRET}@h:5061;transport=tls SIP/2.0\r\n\r\n",
    f"INVITE sip:x SIP/2.0\r\nf:sip:alice:{SECRET}@h;tag=1\r\n\r\n",
    f'INVITE sip:x SIP/2.0\r\nContact: "A" <sip:a:{SECRET}@h>, <sip:b:{SECRET}@h>\r\n\r\n',
    f"REFER sip:x SIP/2.0\r\nRefer-To: <sip:x@h?Authorization=Digest%20{SECRET}>\r\n\r\n",
    "NOTIFY sip:x SIP/2.0\r\nContent-Type: message/sip\r\n\r\n"
    f"INVITE sip:x SIP/2.0\r\nAuthorization: Digest {SECRET}\r\n",
    "INVITE sip:x SIP/2.0\r\nc: application/sdp\r\n\r\nv=0\r\n"
    f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{SECRET}|2^20\r\n",
    f"INVITE sip:x SIP/2.0\r\nc: application/sdp\r\n\r\nv=0\r\nk=base64:{SECRET}\r\na=ice-pwd:{SECRET}\r\n",
    f"INFO sip:x SIP/2.0\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal={SECRET}\r\nDuration=160\r\n",
    f"INFO sip:x SIP/2.0\r\nContent-Type: application/dtmf\r\n\r\n{SECRET}",
    f"INFO sip:x SIP/2.0\r\nc:\r\n application/dtmf-relay\r\n\r\nSignal={SECRET}",
    f"\r\n\r\nINFO sip:x SIP/2.0\r\n\r\n{SECRET}",
    f"SIP/2.0 200 OK\r\nCSeq: 7 INFO\r\nContent-Type: text/plain\r\n\r\n{SECRET}",
    f"NOTIFY sip:x SIP/2.0\r\nContent-Type: application/kpml-response+xml\r\n\r\n<kpml digits='{SECRET}'/>",
    "INFO sip:x SIP/2.0\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n"
    f"--b\r\nContent-Type: application/dtmf\r\n\r\n{SECRET}\r\n--b--",
]


@pytest.mark.parametrize("message", LEAKS)
def test_secrets_are_hidden(message: str) -> None:
    shown = redact_message(message.encode())
    assert SECRET not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "message",
    [
        "INVITE sip:alice@h:5060 SIP/2.0\r\nVia: SIP/2.0/UDP h:5060\r\nCall-ID: a:b@h\r\nTo: <sip:b@[::1]>\r\n\r\n",
        'SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm="x", nonce="y"\r\nCSeq: 1 INVITE\r\n\r\n',
        "INFO sip:x SIP/2.0\r\nContent-Type: application/media_control+xml\r\n\r\n<picture_fast_update/>",
        "INFO sip:x SIP/2.0\r\nCSeq: 2 INFO\r\nContent-Length: 0\r\n\r\n",
        "INVITE sip:x SIP/2.0\r\nc: application/sdp\r\n\r\nv=0\r\nm=audio 4000 RTP/AVP 0\r\na=sendrecv\r\n",
        "\r\n\r\n",
    ],
)
def test_all_else_stays(message: str) -> None:
    assert redact_message(message.encode()) == message


def test_what_follows_a_hidden_header_stays() -> None:
    text = "INVITE sip:x SIP/2.0\r\nAuthorization: Digest a,\r\n b\r\nTo: <sip:b@h>\r\n\r\n"
    assert redact_message(text.encode()) == "INVITE sip:x SIP/2.0\r\nAuthorization: Digest ***\r\nTo: <sip:b@h>\r\n\r\n"


printable_text = st.text(st.characters(min_codepoint=33, max_codepoint=0x17F), min_size=1, max_size=20)


@hypothesis.given(user=printable_text, password=printable_text, port=st.one_of(st.none(), st.integers(1, 65535)))
def test_the_password_of_any_uri_is_hidden(user: str, password: str, port: int | None) -> None:
    hidden = str(Uri("sip", user=user, password=f"Geheim{password}", host="192.0.2.1", port=port))
    for text in (f"INVITE {hidden} SIP/2.0", f"To: <{hidden}>;tag=1", f'{{"to": "{hidden}"}}', f"Contact:{hidden};q=1"):
        assert "Geheim" not in hide_credentials(text)


NAMES = [
    "Authorization",
    "proxy-authorization:",
    " Digest ",
    "INFO ",
    "Content-Type: ",
    "dtmf",
    "To: ",
    "SIP/2.0",
    "Cookie",
]
MARKS = ["\r\n", "\r", "\n", " ", "\t", ":", "@", "sip:", "<", ">", '"', "c:", "inline:", "k=", "?Authorization="]
pieces = st.sampled_from(NAMES + MARKS)


@hypothesis.given(st.lists(pieces, max_size=30), st.lists(pieces, max_size=30))
def test_credentials_are_hidden_between_whatever(before: list[str], after: list[str]) -> None:
    message = "".join(before) + f"\r\nAuthorization: Digest {SECRET},\r\n {SECRET}\r\n" + "".join(after)
    assert SECRET not in redact_message(message.encode())


@hypothesis.given(st.binary(max_size=500))
def test_any_bytes(data: bytes) -> None:
    assert isinstance(redact_message(data), str)


@pytest.mark.parametrize(
    "hostile",
    [
        b"sip:a:" * 10000,
        b"c:" + b" " * 60000,
        b"\r\nc:\r\n" * 10000,
        b"Cookie\r\n " * 6000,
        b"sip:@" * 12000,
        b"@" * 65000,
    ],
)
def test_the_time_is_linear(hostile: bytes) -> None:
    started = time.perf_counter()
    redact_message(hostile)
    assert time.perf_counter() - started < 0.5
