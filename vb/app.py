"""The composition root: builds the parts from the configuration, starts them in order, and ends them properly.

Nothing imports this module but the command line. Every part gets small settings of its own, made here.
"""

from __future__ import annotations

import logging
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio

from vb.activity.address_rule import AddressRule
from vb.activity.fetch import Fetcher, FetchSettings, open_fetcher
from vb.activity.playback import Playbacks
from vb.activity.recording import Recordings
from vb.api import server as api
from vb.api.allow_list import AllowList
from vb.api.http_post import HttpPoster
from vb.api.services import Readiness, Services
from vb.api.webhooks import Webhooks, WebhookSettings
from vb.call.events import EventBus, Webhook
from vb.call.legs import Legs
from vb.call.reasons import SHUTDOWN
from vb.config import Config
from vb.legs.sip.identity import contact_of, sent_by_of
from vb.legs.sip.service import SipService
from vb.legs.sip.settings import Address, Platform, SipSettings
from vb.log import Redactor
from vb.media.clock import MediaClock
from vb.media.port_pool import PortPool
from vb.media.priority import raise_priority
from vb.media.settings import MediaSettings
from vb.net.addresses import is_wildcard
from vb.net.descriptors import raise_descriptor_limit
from vb.net.driver import Listen, SipEndpoint, Trace
from vb.net.own_address import default_address
from vb.net.settings import NetSettings
from vb.room.rooms import Rooms
from vb.sip.config import UaConfig
from vb.sip.effects import Event, Hop
from vb.sip.timers import TimerValues
from vb.sip.uri import parse_uri
from vb.sip.user_agent import UserAgent
from vb.stage import Stage

log = logging.getLogger("vb.app")

_LAST_SECONDS = 2.0  # of the time for stopping: kept for the API, whose clients are to see every event
_ASK_AGAIN = 0.02


class StartError(Exception):
    """The platform cannot start; the text is one line that says why."""


@attrs.frozen
class App:
    """All parts of one running platform."""

    config: Config
    bus: EventBus
    legs: Legs
    clock: MediaClock
    pools: Mapping[str, PortPool]
    agent: UserAgent
    endpoint: SipEndpoint[Event]
    sip: SipService
    rooms: Rooms
    webhooks: Webhooks
    services: Services
    sip_ports: dict[str, int]
    """By transport, the ports that are listened on, once they are known."""

    def gauges(self) -> Mapping[str, float]:
        """Numbers of the moment for /metrics."""
        media, net, sip = self.clock.statistics(), self.endpoint.statistics(), self.agent.statistics()
        return {
            "vb_media_ticks": media.ticks,
            "vb_media_late_ticks": media.late_ticks,
            "vb_media_rows": media.rows,
            "vb_media_packets_received": media.received,
            "vb_media_packets_sent": media.sent,
            "vb_media_kernel_drops": media.kernel_drops,
            "vb_rtp_ports_in_use": sum(pool.in_use for pool in self.pools.values()),
            "vb_sip_messages_received": sip.received,
            "vb_sip_messages_sent": sip.sent,
            "vb_sip_retransmissions": sip.retransmitted,
            "vb_sip_sessions": sip.sessions,
            "vb_sip_kernel_drops": net.kernel_drops,
            "vb_sip_connections": net.open_connections,
            "vb_sip_parked": self.sip.parked,
            "vb_sip_refused": self.sip.refused,
        }


def build(config: Config, fetcher: Fetcher) -> App:
    """Make every part; nothing runs and no socket is open yet. Raises StartError."""
    bus, legs = EventBus(config.instance_id), Legs()
    settings = sip_settings(config)
    # RFC 3261 §19.3 and RFC 3550 §8 want tags, branches and SSRCs that nobody can guess.
    rng = random.SystemRandom()
    ports: dict[str, int] = {}
    agent = UserAgent(_ua_config(config, settings, ports), rng)
    clock = MediaClock(MediaSettings(io=config.media_io, latch=config.rtp_latch))  # type: ignore[arg-type]
    pools = _pools(config, settings)
    deliver: list[SipService] = []
    endpoint: SipEndpoint[Event] = SipEndpoint(
        agent,
        _listens(config),
        lambda event: deliver[0].on_event(event),
        _tracer(config) if config.sip_debug else None,
        settings=NetSettings(dscp=config.sip_dscp),
    )
    platform = Platform(
        settings=settings, endpoint=endpoint, agent=agent, clock=clock, pools=pools, bus=bus, legs=legs, rng=rng
    )
    sip = SipService(platform)
    deliver.append(sip)
    rooms = Rooms(clock, bus, legs, config.default_sample_rate)
    webhooks = _webhooks(config)
    bus.subscribe(webhooks.on_event)
    app: list[App] = []
    services = Services(
        instance_id=config.instance_id,
        bus=bus,
        legs=legs,
        rooms=rooms,
        sip=sip,
        playbacks=Playbacks(bus, fetcher),
        recordings=Recordings(bus, Path(config.recording_dir)),
        readiness=Readiness(),
        gauges=lambda: app[0].gauges(),
    )
    app.append(App(config, bus, legs, clock, pools, agent, endpoint, sip, rooms, webhooks, services, ports))
    return app[0]


async def serve(config: Config) -> None:
    """Run the platform until SIGTERM or SIGINT, then end every call properly. Raises StartError."""
    before, after = raise_descriptor_limit()
    log.info("descriptor limit", extra={"soft_before": before, "soft": after})
    log.info("priority", extra={"niceness": raise_priority()})
    async with open_fetcher(_fetch_settings(config)) as fetcher:
        app = build(config, fetcher)
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with running(app) as address:
                log.info("ready", extra={"http": address, "sip_port": config.sip_port})
                await _wait_for_the_end(app, signals)
    log.info("stopped")


@asynccontextmanager
async def running(app: App) -> AsyncIterator[str]:
    """The running platform, ready for calls; gives the API's ``host:port``. Leaving the block stops it in order."""
    stop_api = trio.Event()
    http = api.ServerSettings(
        http_addr=app.config.http_addr,
        allow_list=AllowList(app.config.allowed_ips, app.config.trust_proxy_headers),
        vsi_buffer=app.config.vsi_event_buffer_size,
        extra_families=app.webhooks.families,
    )
    clock, webhooks, rooms = Stage(app.clock.run), Stage(app.webhooks.run), Stage(app.rooms.run)
    sip, endpoint = Stage(app.sip.run), Stage(app.endpoint.run)
    web = Stage(partial(api.run, app.services, http, stop_api))
    problem: StartError | None = None
    async with trio.open_nursery() as nursery:
        try:
            for stage in (clock, webhooks, rooms, sip):
                await stage.start(nursery)
            bound = await _listening(endpoint, nursery, "SIP", app.config.sip_port)
            app.sip_ports.update({hop.transport: hop.port for hop in bound})
            log.info("SIP listens", extra={"on": [f"{hop.transport} {hop.host}:{hop.port}" for hop in bound]})
            address = await _listening(web, nursery, "HTTP", app.config.http_addr)
        except StartError as error:
            problem = error
        else:
            app.services.readiness.state = "ready"
            try:
                yield address
            finally:
                with trio.CancelScope(shield=True):
                    await _stop(app, rooms, webhooks, web, stop_api)
        nursery.cancel_scope.cancel()
    if problem is not None:
        raise problem


async def _listening(stage: Stage, nursery: trio.Nursery, what: str, where: object) -> Any:
    try:
        return await stage.start(nursery)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StartError(f"{what} cannot listen on {where}: {reason}") from error


async def _wait_for_the_end(app: App, signals: AsyncIterator[int]) -> None:
    """Return when calls are to be ended: at a signal, or later if they may end by themselves for a while."""
    number = await anext(signals)
    log.info("stopping", extra={"signal": signal.Signals(number).name, "legs": app.legs.active})
    drain(app)
    if app.config.drain_timeout_ms and app.legs.unfinished:
        with trio.move_on_after(app.config.drain_timeout_ms / 1000):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_then_cancel, app.legs.wait_finished, nursery.cancel_scope)
                await anext(signals)  # a second signal: now
                nursery.cancel_scope.cancel()


async def _then_cancel(wait: Callable[[], Awaitable[None]], scope: trio.CancelScope) -> None:
    await wait()
    scope.cancel()


def drain(app: App) -> None:
    """The first phase of stopping: no new calls, not ready any more."""
    if app.services.readiness.state == "draining":
        return
    app.services.readiness.state = "draining"
    app.sip.drain()
    app.bus.publish("server.draining")


async def _stop(app: App, rooms: Stage, webhooks: Stage, web: Stage, stop_api: trio.Event) -> None:
    """The second phase: goodbye to everybody, every event told, all within SHUTDOWN_TIMEOUT_MS."""
    drain(app)
    deadline = trio.current_time() + app.config.shutdown_timeout_ms / 1000
    for leg in app.legs.all():
        leg.end(SHUTDOWN)
    with trio.move_on_at(deadline - min(_LAST_SECONDS, app.config.shutdown_timeout_ms / 2000)) as patience:
        await app.legs.wait_finished()
        rooms.cancel()
        await rooms.wait_stopped()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(app.webhooks.flush, app.config.shutdown_timeout_ms / 1000)
            nursery.start_soon(_settled, app)
    if patience.cancelled_caught:
        log.warning("not everything ended in time", extra={"legs": app.legs.unfinished, "sip": app.agent.pending()})
    stop_api.set()
    webhooks.cancel()
    with trio.move_on_at(deadline):
        await web.wait_stopped()
        await webhooks.wait_stopped()


async def _settled(app: App) -> None:
    """Return when every BYE, CANCEL and final response has had its answer, and all bytes are written."""
    while app.agent.pending():  # noqa: ASYNC110 - the agent is pure and has nothing to wait on; asked once in a life
        await trio.sleep(_ASK_AGAIN)
    await app.endpoint.flush(_LAST_SECONDS)


# --- settings of the parts


def sip_settings(config: Config) -> SipSettings:
    """Settings of SIP legs. Addresses: SIP_EXTERNAL_IP is told for IPv4, else what we are bound to."""
    v4 = v6 = None
    if config.sip_bind_ip:
        v4 = _address(4, config.sip_listen_ip or config.sip_bind_ip, config.sip_external_ip or config.sip_bind_ip)
    if config.sip_bind_ipv6:
        v6 = _address(6, config.sip_listen_ipv6 or config.sip_bind_ipv6, config.sip_bind_ipv6)
    return SipSettings(
        host_name=config.sip_host,
        domain=config.sip_domain,
        port=config.sip_port,
        ipv4=v4,
        ipv6=v6,
        codecs=config.sip_codecs,
        auto_ringing=config.sip_auto_ringing,
        strict_mlines=config.sip_sdp_strict_mline_answer,
        ring_limit=config.sip_ring_limit_ms / 1000,
        max_calls=config.sip_max_calls,
        max_parked=config.sip_max_parked,
        rtp_timeout=config.rtp_timeout_ms / 1000,
        outbound_proxy=parse_uri(config.sip_outbound_proxy) if config.sip_outbound_proxy else None,
        webhook=_global_webhook(config),
    )


def _address(version: int, bind: str, advertised: str) -> Address:
    return Address(bind, default_address(version) if is_wildcard(advertised) else advertised)


def _global_webhook(config: Config) -> Webhook | None:
    return Webhook(config.webhook_url, config.webhook_secret) if config.webhook_url else None


def _listens(config: Config) -> list[Listen]:
    hosts = [config.sip_listen_ip or config.sip_bind_ip, config.sip_listen_ipv6 or config.sip_bind_ipv6]
    listens = [Listen("UDP", host, config.sip_port) for host in hosts if host]
    if config.sip_tcp_enabled:
        listens += [Listen("TCP", host, config.sip_port) for host in hosts if host]
    return listens


def _ua_config(config: Config, settings: SipSettings, ports: Mapping[str, int]) -> UaConfig:
    timers = TimerValues(config.sip_t1_ms / 1000, config.sip_t2_ms / 1000, config.sip_t4_ms / 1000)
    return UaConfig(
        contact=lambda hop: contact_of(settings, hop, ports.get(hop.transport, 0)),
        sent_by=lambda hop: sent_by_of(settings, hop, ports.get(hop.transport, 0)),
        user_agent=config.sip_host,
        timers=timers,
        use_source_socket=config.sip_use_source_socket,
    )


def _pools(config: Config, settings: SipSettings) -> dict[str, PortPool]:
    addresses = [address for address in (settings.ipv4, settings.ipv6) if address is not None]
    if not addresses:
        raise StartError("neither SIP_BIND_IP nor SIP_BIND_IPV6 is set")
    return {
        address.bind: PortPool(address.bind, config.rtp_port_min, config.rtp_port_max, dscp=config.rtp_dscp)
        for address in addresses
    }


def _webhooks(config: Config) -> Webhooks:
    poster = HttpPoster(
        AddressRule(config.play_allow_private),  # type: ignore[arg-type]
        trusted=frozenset({config.webhook_url} - {""}),
        user_agent=config.sip_host,
    )
    undelivered = Path(config.state_dir) / "undelivered-webhooks.jsonl"
    keep = None if config.state_dir == ":memory:" else undelivered
    return Webhooks(WebhookSettings(default=_global_webhook(config), undelivered=keep), poster)


def _fetch_settings(config: Config) -> FetchSettings:
    return FetchSettings(
        rule=AddressRule(config.play_allow_private),  # type: ignore[arg-type]
        play_dir=Path(config.play_dir) if config.play_dir else None,
    )


def _tracer(config: Config) -> Trace:
    """Every SIP message into the log, without its secrets."""
    redact = Redactor(config.secrets)
    wire = logging.getLogger("vb.sip.wire")

    def trace(direction: str, data: bytes, hop: Hop, at: float) -> None:
        text = redact.text(data.decode("utf-8", "replace"))
        peer = f"{hop.transport} {hop.host}:{hop.port}"
        wire.info("sip %s", direction, extra={"peer": peer, "message_text": text})

    return trace
