"""Published call flows played against one endpoint: what the others say comes from the text, ours is compared to it.

A flow is a list of whole messages, F1 F2 ... as in its RFC. A script names, for one party, those that it receives and
those that it sends: ``">1 <2 >3"``; ``~4`` repeats our message before, ``-5`` is five seconds of silence. All other
hops are those of the text. Transports become UDP and names of machines their addresses; tags, branches, Call-IDs, CSeq
numbers and contacts that are ours to choose are learned when we send them, and replace those of the text from then on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import trio
import yaml

from tests.sim.network import Passage, VirtualNetwork
from vb.sip.message import Message, Request, Response, parse_message

FOLDER = Path(__file__).parent.parent / "data" / "flows"
LONG = 64 * 0.5 * 4

HOSTS = {
    "client.atlanta.example.com": "192.0.2.101",
    "client.biloxi.example.com": "192.0.2.201",
    "client.chicago.example.com": "192.0.2.100",
    "ss1.atlanta.example.com": "192.0.2.111",
    "ss2.biloxi.example.com": "192.0.2.222",
    "ss3.chicago.example.com": "192.0.2.233",
    "alg1.atlanta.example.com": "192.0.2.128",
}


def read_flow(rfc: str, section: str) -> list[str]:
    """The messages of a flow, F1 first, with LF line ends."""
    [path] = (FOLDER / rfc).glob(f"{section}_*.yaml")
    messages = yaml.safe_load(path.read_text())
    assert isinstance(messages, list)
    return [localized(str(message)) for message in messages]


def localized(text: str) -> str:
    """Over UDP, between numeric addresses."""
    for name, host in HOSTS.items():
        text = text.replace(name, host)
    text = re.sub(r"SIP/2\.0/(TCP|TLS)", "SIP/2.0/UDP", text)
    return text.replace(";transport=tcp", "").replace("sips:", "sip:").replace(":5061", ":5060")


def on_the_wire(text: str) -> bytes:
    """CRLF, folded lines as they are, and the Content-Length that it has after all replacements."""
    head, _, body = text.partition("\n\n")
    lines = [line for line in head.rstrip("\n").split("\n") if not line.startswith("Content-Length")]
    data = "".join(f"{line}\r\n" for line in body.strip("\n").split("\n")).encode() if body.strip() else b""
    return "\r\n".join([*lines, f"Content-Length: {len(data)}", "", ""]).encode() + data


class User(Protocol):
    """Who decides behind the endpoint: does what makes the next message of the text go out, if anything is needed."""

    def act(self, wanted: Message) -> None: ...


class Player:
    """Plays one party of a flow that has its endpoint at ``hosts``; ``first_hop`` is where its first request goes."""

    def __init__(self, network: VirtualNetwork, hosts: tuple[str, ...], messages: list[str]) -> None:
        self._network = network
        self._hosts = hosts
        self._texts = messages
        self._known: dict[str, str] = {}
        self._offsets: dict[str, int] = {}
        self._routes: dict[str | None, list[str]] = {}
        self._read = 0
        self._seen: list[bytes] = []
        self._last: Passage | None = None
        self.arrived: list[Message] = []

    async def play(self, script: str, user: User) -> None:
        for step in script.split():
            kind, number = step[0], int(step[1:])
            if kind == "<":
                await trio.sleep(0.1)
                self._say(self._texts[number - 1])
                await trio.sleep(0.1)
            elif kind == ">":
                user.act(self.message(number))
                self._compare(self.message(number), await self._heard())
            elif kind == "~":
                await self._repeated()
            else:
                await trio.sleep(number)
        await trio.sleep(0.1)
        assert self._fresh() is None, "nothing that the text does not have"

    def message(self, number: int) -> Message:
        return parse_message(on_the_wire(self._translate(self._texts[number - 1])))

    # What comes from the others.

    def _say(self, text: str) -> None:
        data = on_the_wire(self._renumbered(self._translate(text)))
        message = parse_message(data)
        self.arrived.append(message)
        if isinstance(message, Request):
            source = message.via.host
        else:
            assert self._last is not None
            source = self._last.target[0]
        first = text.split("\n", 1)[0]
        target = next((host for host in self._hosts if host in first), self._hosts[0])
        self._network.send((source, 5060), (target, 5060), data)

    def _translate(self, text: str) -> str:
        for theirs, ours in self._known.items():
            text = re.sub(rf"(?<=[=: <]){re.escape(theirs)}(?![\w.@-])", lambda _, ours=ours: ours, text)
        return text

    def _renumbered(self, text: str) -> str:
        """A response to a request of ours has the CSeq number of ours."""
        call_id = re.search(r"(?m)^Call-ID: (.*)$", text)
        offset = self._offsets.get(call_id[1], 0) if call_id and text.startswith("SIP/2.0") else 0
        return re.sub(r"(?m)^CSeq: (\d+)", lambda found: f"CSeq: {int(found[1]) + offset}", text)

    # What goes out.

    async def _heard(self) -> Passage:
        with trio.fail_after(LONG):
            while (passage := self._fresh()) is None:  # noqa: ASYNC110  (virtual time)
                await trio.sleep(0.05)
        self._last = passage
        self._seen.append(passage.data)
        return passage

    def _fresh(self) -> Passage | None:
        """The next new message of ours; a 100 is no part of any flow of an endpoint, and repetitions are skipped."""
        while self._read < len(self._network.log):
            passage = self._network.log[self._read]
            own = passage.source[0] in self._hosts
            if own and passage.data not in self._seen and not passage.data.startswith(b"SIP/2.0 100 "):
                return passage
            self._read += 1
        return None

    async def _repeated(self) -> None:
        with trio.fail_after(LONG):
            while self._read >= len(self._network.log) or self._network.log[self._read].data != self._seen[-1]:
                self._read = min(self._read + 1, len(self._network.log))
                await trio.sleep(0.05)
        self._read += 1

    def _compare(self, wanted: Message, passage: Passage) -> None:
        got = parse_message(passage.data)
        self._read += 1
        assert type(got) is type(wanted), passage.data
        assert got.cseq.method == wanted.cseq.method
        self._learn(wanted, got)
        assert str(got.from_.uri) == str(wanted.from_.uri)
        assert str(got.to.uri) == str(wanted.to.uri)
        if wanted.cseq.method != "CANCEL":  # the texts forget the tag in the 200 of a CANCEL (RFC 3261 §8.2.6.2, §9.2)
            assert (got.to.tag is None) == (wanted.to.tag is None)
        assert bool(got.body) == bool(wanted.body), passage.data
        assert got.content_type == wanted.content_type
        if isinstance(got, Request) and isinstance(wanted, Request):
            self._compare_requests(wanted, got, passage.target)
            self._compare_credentials(wanted, got)
        elif isinstance(got, Response) and isinstance(wanted, Response):
            self._compare_responses(wanted, got, passage.target)

    def _learn(self, wanted: Message, got: Message) -> None:
        """Ours to choose: Call-ID and From tag of a request, To tag of a response, branch, number, contact."""
        ours = isinstance(wanted, Request)
        pairs = [(wanted.from_.tag, got.from_.tag)] if ours else [(wanted.to.tag, got.to.tag)]
        pairs.append((wanted.call_id, got.call_id))
        if ours:
            pairs.append((wanted.via.branch, got.via.branch))
            offset = got.cseq.number - wanted.cseq.number
            assert offset == self._offsets.setdefault(got.call_id, offset), "numbers go on as in the text"
        else:
            assert got.cseq.number == wanted.cseq.number
        fixed = set(self._known.values())
        for theirs, mine in pairs:
            assert mine
            if theirs and theirs != mine:
                assert theirs not in fixed, f"{theirs} is a name of ours, said before"
                self._known[theirs] = mine
        assert (wanted.to.tag == got.to.tag) if ours else (wanted.from_.tag == got.from_.tag)
        for theirs_, mine_ in zip(wanted.contacts, got.contacts, strict=False):
            if str(theirs_.uri) != str(mine_.uri):
                self._known[str(theirs_.uri)] = str(mine_.uri)

    def _compare_requests(self, wanted: Request, got: Request, target: tuple[str, int]) -> None:
        assert str(got.uri) == str(wanted.uri)
        routes = [str(route) for route in wanted.routes]
        if got.method == "INVITE":
            self._routes[got.via.branch] = routes
        elif got.method == "ACK":  # of a refusal: the texts forget the Route of its INVITE (RFC 3261 §17.1.1.3)
            routes = self._routes.get(got.via.branch, routes)
        assert [str(route) for route in got.routes] == routes
        assert got.max_forwards == 70
        assert len(got.vias) == 1
        assert got.headers.get("Expires") == wanted.headers.get("Expires")
        if wanted.method in ("INVITE", "REFER", "NOTIFY"):
            assert len(got.contacts) == 1
        hop = got.routes[0].uri.host if got.routes else wanted.uri.host
        if hop[0].isdigit():
            assert target == (hop, 5060)

    def _compare_credentials(self, wanted: Request, got: Request) -> None:
        """Those of every realm that has challenged us; texts without a challenge show credentials of earlier calls."""
        names = "WWW-Authenticate", "Proxy-Authenticate"
        asked = realms(line for message in self.arrived for name in names for line in message.headers.get_all(name))
        if wanted.cseq.method in ("INVITE", "REGISTER") and wanted.method != "ACK" and not wanted.to.tag:
            names = "Authorization", "Proxy-Authorization"
            given = realms(line for name in names for line in got.headers.get_all(name))
            assert given == asked
            if asked:
                assert given == realms(line for name in names for line in wanted.headers.get_all(name))

    @staticmethod
    def _compare_responses(wanted: Response, got: Response, target: tuple[str, int]) -> None:
        assert got.status == wanted.status
        assert [(via.host, via.branch) for via in got.vias] == [(via.host, via.branch) for via in wanted.vias]
        if wanted.cseq.method == "INVITE" and got.status < 300:
            assert [str(route) for route in got.record_routes] == [str(route) for route in wanted.record_routes]
            assert len(got.contacts) == 1
        assert target == (wanted.via.host, 5060)


def realms(lines: Iterable[str]) -> set[str]:
    return {found for line in lines for found in re.findall(r'realm="([^"]*)"', line)}
