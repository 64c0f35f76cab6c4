"""The composition root: builds the parts from the configuration, starts them in order, and ends them properly.

Nothing imports this module but the command line. Every part gets small settings of its own, made here.
"""

from __future__ import annotations

import gc
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

from vb.activity.fetch import Fetcher, open_fetcher
from vb.activity.playback import Playbacks
from vb.activity.recording import Recordings
from vb.api import server as api
from vb.api.keys import Keys
from vb.api.services import Readiness, Services
from vb.api.webhooks import Webhooks
from vb.call.events import EventBus
from vb.call.legs import Legs
from vb.call.reasons import SHUTDOWN
from vb.call.traces import CallTraces
from vb.config import Config
from vb.environment import ConfigError
from vb.legs.sip.service import SipService
from vb.legs.sip.settings import Platform
from vb.media.clock import MediaClock
from vb.media.port_pool import PortPool
from vb.media.priority import raise_priority
from vb.media.settings import MediaSettings
from vb.net.descriptors import raise_descriptor_limit
from vb.net.dns_client import DnsClient
from vb.net.driver import SipEndpoint
from vb.net.records import Dns
from vb.net.resolver import Resolver
from vb.net.settings import NetSettings
from vb.net.tls import TlsContexts
from vb.part_settings import (
    allow_list,
    api_keys,
    binding_store,
    fetch_settings,
    listens,
    port_pools,
    sip_settings,
    tls_contexts,
    ua_config,
    webhooks_of,
)
from vb.room.rooms import Rooms
from vb.sip.effects import Event
from vb.sip.user_agent import UserAgent
from vb.stage import Stage
from vb.wire_log import shown, tracer, wire_log

log = logging.getLogger("vb.app")

_LAST_SECONDS = 2.0  # of the time for stopping: kept for the API, whose clients are to see every event
_ASK_AGAIN = 0.02
_LEAST_AT_ONCE = 16  # legs ended at once at the stop: a few events of each fit into a VSI client's buffer
_MOST_PAUSES = 200
_COLLECT_AFTER = (2000, 5, 200)  # the smaller generations take up to 5 and 15 ms at 300 calls a second
_TURNS = 64  # of every task between them: a writer needs a few for a frame, however busy the machine is


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
        traces = self.services.traces.statistics()
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
            "vb_sip_traced_legs": traces.legs,
            "vb_sip_trace_bytes": traces.bytes,
        }


def build(config: Config, fetcher: Fetcher) -> App:
    """Make every part; nothing runs and no socket is open yet. Raises StartError."""
    bus, legs = EventBus(config.instance_id), Legs()
    settings = sip_settings(config)
    # RFC 3261 §19.3 and RFC 3550 §8 want tags, branches and SSRCs that nobody can guess.
    rng = random.SystemRandom()
    ports: dict[str, int] = {}
    agent = UserAgent(ua_config(config, settings, ports), rng)
    clock = MediaClock(MediaSettings(io=config.media_io, latch=config.rtp_latch))  # type: ignore[arg-type]
    pools = port_pools(config, settings)
    deliver: list[SipService] = []
    show = shown(config.secrets)
    traces = CallTraces(redact=show)
    endpoint: SipEndpoint[Event] = SipEndpoint(
        agent,
        listens(config),
        lambda event: deliver[0].on_event(event),
        tracer(traces, wire_log(show) if config.sip_debug else None),
        settings=NetSettings(dscp=config.sip_dscp),
        resolver=Resolver(dns=_dns(), rng=rng),
        tls=_tls(config),
    )
    platform = Platform(
        settings=settings,
        endpoint=endpoint,
        agent=agent,
        clock=clock,
        pools=pools,
        bus=bus,
        legs=legs,
        rng=rng,
        traces=traces,
    )
    sip = SipService(platform, binding_store(config))
    deliver.append(sip)
    rooms = Rooms(clock, bus, legs, config.default_sample_rate)
    sip.on_replaced.append(rooms.replace)
    webhooks = webhooks_of(config)
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
        traces=traces,
        readiness=Readiness(),
        gauges=lambda: app[0].gauges(),
    )
    app.append(App(config, bus, legs, clock, pools, agent, endpoint, sip, rooms, webhooks, services, ports))
    return app[0]


def _dns() -> Dns | None:
    """The DNS, or None for the system's resolver where that is configured in another way than by name servers."""
    try:
        return DnsClient()
    except OSError as error:
        log.warning("no SRV records will be asked for", extra={"error": str(error)})
        return None


def _tls(config: Config) -> TlsContexts:
    try:
        return tls_contexts(config)
    except ConfigError as error:
        raise StartError(str(error)) from error


def _keys(config: Config) -> Keys:
    try:
        return api_keys(config)
    except ConfigError as error:
        raise StartError(str(error)) from error


async def serve(config: Config) -> None:
    """Run the platform until SIGTERM or SIGINT, then end every call properly. Raises StartError."""
    before, after = raise_descriptor_limit()
    log.info("descriptor limit", extra={"soft_before": before, "soft": after})
    log.info("priority", extra={"priority": raise_priority(realtime=config.media_realtime)})
    async with open_fetcher(fetch_settings(config)) as fetcher:
        app = build(config, fetcher)
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with running(app) as address:
                _spare_the_tick()
                log.info("ready", extra={"http": address, "sip_port": config.sip_port})
                await _wait_for_the_end(app, signals)
    log.info("stopped")


@asynccontextmanager
async def running(app: App) -> AsyncIterator[str]:
    """The running platform, ready for calls; gives the API's ``host:port``. Leaving the block stops it in order."""
    stop_api = trio.Event()
    http = api.ServerSettings(
        http_addr=app.config.http_addr,
        allow_list=allow_list(app.config),
        keys=_keys(app.config),
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


def _spare_the_tick() -> None:
    """What was loaded at the start lives as long as the process: a full collection need not look at it again.

    Looking takes 35 ms, nearly two ticks of the media clock; without it a collection takes next to none. What comes
    later is freed without a collector, as nothing of an ended call points at itself; the 32 s that its transactions
    stay (RFC 3261 §17.2) make a full collection long, so there are few: one in minutes, at hundreds of calls a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


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
    with trio.move_on_at(deadline - min(_LAST_SECONDS, app.config.shutdown_timeout_ms / 2000)) as patience:
        await _hang_up(app)
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


async def _hang_up(app: App) -> None:
    """End every leg, some at a time: the events of thousands at once would overflow what waits for a VSI client."""
    legs = app.legs.all()
    some = max(_LEAST_AT_ONCE, -(-len(legs) // _MOST_PAUSES))
    for start in range(0, len(legs), some):
        for leg in legs[start : start + some]:
            leg.end(SHUTDOWN)
        for _ in range(_TURNS):
            await trio.lowlevel.checkpoint()


async def _settled(app: App) -> None:
    """Return when every BYE, CANCEL and final response has had its answer, and all bytes are written."""
    while app.agent.pending():  # noqa: ASYNC110 - the agent is pure and has nothing to wait on; asked once in a life
        await trio.sleep(_ASK_AGAIN)
    await app.endpoint.flush(_LAST_SECONDS)
