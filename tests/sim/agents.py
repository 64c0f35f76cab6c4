"""User agents joined by a bad network, in memory and in virtual time: seeded loss, delay, reordering, duplicates."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from math import inf
from random import Random

import attrs

from vb.sip.effects import Event, Hop, Transport
from vb.sip.fields import NameAddr, parse_name_addr
from vb.sip.invite_uac import InviteClientSession
from vb.sip.uri import Uri, parse_uri
from vb.sip.user_agent import UaConfig, UserAgent


@attrs.frozen
class Weather:
    """What happens to datagrams: ``loss`` and ``duplicates`` 0-1, delay in seconds, uniform, so they overtake."""

    loss: float = 0.0
    duplicates: float = 0.0
    delay: tuple[float, float] = (0.01, 0.01)


@attrs.define(eq=False)
class Node:
    """One agent with its address and everything that it said. ``on_event`` is its user."""

    name: str
    agent: UserAgent
    hop: Hop
    on_event: Callable[[Event, float], None] = lambda event, now: None
    events: list[tuple[float, Event]] = attrs.field(factory=list)

    def of(self, kind: type) -> list[Event]:
        return [event for _, event in self.events if isinstance(event, kind)]


@attrs.frozen
class Sighting:
    """One message as it was sent. ``fate`` is how many copies arrive."""

    at: float
    source: str
    target: str
    data: bytes
    fate: int

    @property
    def start_line(self) -> str:
        return self.data.split(b"\r\n", 1)[0].decode(errors="replace")

    @property
    def method(self) -> str:
        """The method of the request that this is, or belongs to."""
        for line in self.data.decode(errors="replace").split("\r\n"):
            if line.startswith("CSeq:"):
                return line.split()[-1]
        return ""

    @property
    def status(self) -> int:
        """0 for requests."""
        line = self.start_line
        return int(line.split()[1]) if line.startswith("SIP/2.0") else 0


class Network:
    """Nodes by host. ``filter`` may drop single messages: it gets each `Sighting` and says whether it travels."""

    def __init__(self, seed: int = 0, weather: Weather | None = None, transport: Transport = "UDP") -> None:
        self.now = 0.0
        self.weather = weather or Weather()
        self.transport = transport
        self.trace: list[Sighting] = []
        self.filter: Callable[[Sighting], bool] = lambda sighting: True
        self._rng = Random(seed)
        self._nodes: dict[str, Node] = {}
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0

    def node(self, name: str, host: str, **settings: object) -> Node:
        """A new agent at ``host``:5060."""
        parameter = "" if self.transport == "UDP" else f";transport={self.transport.lower()}"
        contact = parse_uri(f"sip:{name}@{host}:5060{parameter}")
        values: dict[str, object] = {"contact": lambda hop: contact, "sent_by": lambda hop: (host, 5060)}
        config = UaConfig(**(values | settings))  # type: ignore[arg-type]
        agent = UserAgent(config, Random(self._rng.getrandbits(64)))
        node = Node(name, agent, Hop(self.transport, host, 5060))
        self._nodes[host] = node
        return node

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Do something at a time; what the agents want sent then leaves at once."""
        self._order += 1
        heapq.heappush(self._queue, (max(when, self.now), self._order, action))

    def run(self, until: float = inf) -> None:
        """Until nothing is left to happen, or just past ``until``."""
        self._drain()
        while True:
            timer = min((node.agent.next_deadline() for node in self._nodes.values()), default=inf)
            queued = self._queue[0][0] if self._queue else inf
            when = min(timer, queued)
            if when == inf or when > until:
                break
            assert when >= self.now, "a deadline lies in the past"
            self.now = when
            if queued <= timer:
                heapq.heappop(self._queue)[2]()
            else:
                for node in self._nodes.values():
                    node.agent.handle_timers(self.now)
            self._drain()
        if until < inf:
            self.now = max(self.now, until)

    def inject(self, source: Hop, node: Node, data: bytes) -> None:
        """A message from a peer that is no node."""
        node.agent.receive(data, source, self.now)
        self._drain()

    def _drain(self) -> None:
        busy = True
        while busy:
            busy = False
            for node in self._nodes.values():
                for send in node.agent.take_sends():
                    self._transmit(node, send.hop, send.data)
                for event in node.agent.take_events():
                    busy = True
                    node.events.append((self.now, event))
                    node.on_event(event, self.now)

    def _transmit(self, source: Node, hop: Hop, data: bytes) -> None:
        copies = 1
        if not hop.reliable:
            copies = 0 if self._rng.random() < self.weather.loss else 1
            copies += self._rng.random() < self.weather.duplicates
        target = self._nodes.get(hop.host)
        sighting = Sighting(self.now, source.name, target.name if target else hop.host, data, copies)
        if not self.filter(sighting):
            sighting = attrs.evolve(sighting, fate=0)
        self.trace.append(sighting)
        if target is None or hop.port != 5060:
            return
        for _ in range(sighting.fate):
            delay = 0.01 if hop.reliable else self._rng.uniform(*self.weather.delay)
            self.at(self.now + delay, lambda: target.agent.receive(data, source.hop, self.now))

    def times(self, source: Node, *, method: str, status: int = 0) -> list[float]:
        """When ``source`` sent requests of a method, or responses of a status to them."""
        return [s.at for s in self.trace if s.source == source.name and (s.method, s.status) == (method, status)]


def address(name: str, host: str) -> NameAddr:
    return parse_name_addr(f"<sip:{name}@{host}>")


def call(network: Network, source: Node, target: Node, body: bytes = b"v=0\r\n") -> InviteClientSession:
    """``source`` calls ``target``."""
    parameter = "" if network.transport == "UDP" else f";transport={network.transport.lower()}"
    uri: Uri = parse_uri(f"sip:{target.name}@{target.hop.host}:5060{parameter}")
    return source.agent.invite(
        target=uri,
        from_=address(source.name, source.hop.host),
        to=address(target.name, target.hop.host),
        now=network.now,
        body=body,
    )


def is_empty(node: Node) -> bool:
    """Nothing goes on in the agent any more."""
    s = node.agent.statistics()
    left = (s.invite_clients, s.invite_servers, s.non_invite_clients, s.non_invite_servers, s.dialogs, s.sessions)
    return not any(left) and node.agent.next_deadline() == inf
