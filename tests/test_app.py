"""The whole server in this process, on loopback: it starts, takes calls, and stops so that nobody is left hanging."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import httpx
import pytest
import trio
from trio_websocket import ConnectionClosed, open_websocket_url

from vb.activity.fetch import open_fetcher
from vb.app import App, StartError, build, running
from vb.call.events import Event
from vb.config import Config
from vb.legs.sip.outbound_request import OutboundRequest
from vb.phone.phone import Phone, PhoneSettings, open_phone

pytestmark = pytest.mark.realtime


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def settings(folder: Path, **variables: str) -> Config:
    return Config.from_environment(
        {
            "INSTANCE_ID": "node-1",
            "HTTP_ADDR": "127.0.0.1:0",
            "SIP_PORT": str(free_port()),
            "RTP_PORT_MIN": "0",
            "RTP_PORT_MAX": "0",
            "RECORDING_DIR": str(folder),
            "STATE_DIR": str(folder / "state"),
            "MEDIA_IO": "epoll",
        }
        | variables
    )


class Server:
    def __init__(self, app: App, address: str) -> None:
        self.app = app
        self.url = f"http://{address}"
        self.events: list[Event] = []
        app.bus.subscribe(self.events.append)

    @property
    def sip(self) -> str:
        return f"sip:service@127.0.0.1:{self.app.config.sip_port}"

    def of(self, type_: str) -> list[Event]:
        return [event for event in self.events if event.type == type_]

    async def wait_for(self, type_: str, count: int = 1) -> None:
        with trio.fail_after(5):
            while len(self.of(type_)) < count:  # noqa: ASYNC110
                await trio.sleep(0.005)


@asynccontextmanager
async def serving(config: Config) -> AsyncIterator[Server]:
    async with open_fetcher() as fetcher:
        app = build(config, fetcher)
        async with running(app) as address:
            yield Server(app, address)


async def test_ready_means_ready(tmp_path: Path) -> None:
    threads = threading.active_count()
    async with serving(settings(tmp_path)) as server, httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.get("/v1/legs")).json() == []
        metrics = (await client.get("/metrics")).text
        assert "vb_media_rows 0" in metrics
        assert "vb_rtp_ports_in_use 0" in metrics
    assert threading.active_count() - threads <= 5  # worker threads of trio may be kept for the next job


async def test_a_call_over_the_api(tmp_path: Path) -> None:
    config = settings(tmp_path)
    async with serving(config) as server, open_phone() as phone, httpx.AsyncClient(base_url=server.url) as client:
        call = await phone.dial(server.sip)
        await server.wait_for("leg.ringing")
        (leg,) = (await client.get("/v1/legs")).json()
        assert (await client.post(f"/v1/legs/{leg['id']}/answer")).status_code == 202
        await call.wait_answered()
        await server.wait_for("leg.connected")
        await trio.sleep(0.3)
        assert (await client.delete(f"/v1/legs/{leg['id']}")).status_code == 202
        assert (await client.delete(f"/v1/legs/{leg['id']}")).status_code == 404
        assert await call.wait_ended() == "remote_bye"
        await server.wait_for("leg.disconnected")
        assert call.heard.samples().size > 0
        assert server.app.clock.statistics().rows == 0


async def test_stopping_says_goodbye_to_everybody(tmp_path: Path) -> None:
    config = settings(tmp_path, WEBHOOK_URL=f"http://127.0.0.1:{free_port()}/nobody", SHUTDOWN_TIMEOUT_MS="3000")
    async with open_phone() as phone:
        async with serving(config) as server:
            talking = await phone.dial(server.sip)
            await server.wait_for("leg.ringing")
            server.app.legs.all()[0].answer()
            await talking.wait_answered()
            parked = await phone.dial(server.sip)
            await server.wait_for("leg.ringing", 2)
            ringing = server.app.sip.create_outbound(OutboundRequest(to=str(phone.uri)))
            called = await phone.wait_call()
            called.ring()
            await server.wait_for("leg.connected")
            before = trio.current_time()
        assert trio.current_time() - before < 3.0
        with trio.fail_after(1):
            assert await talking.wait_ended() == "remote_bye"
            assert await called.wait_ended() == "remote_cancel"
            await parked.wait_ended()
        assert not parked.answered
        reasons = [event.data["cdr"]["reason"] for event in server.of("leg.disconnected")]
        assert reasons == ["shutdown"] * 3
        assert ringing.state == "hung_up"
        assert server.events[-1].type == "leg.disconnected"
        assert [event.type for event in server.events if event.type.startswith("server")] == ["server.draining"]
        left = (tmp_path / "state" / "undelivered-webhooks.jsonl").read_text().splitlines()
        assert {json.loads(line)["event"]["type"] for line in left} >= {"leg.disconnected", "server.draining"}
        nothing_is_left(server.app)


async def test_a_running_room_recording_is_finished_at_the_stop(tmp_path: Path) -> None:
    async with open_phone() as phone:
        async with serving(settings(tmp_path)) as server, httpx.AsyncClient(base_url=server.url) as client:
            call = await phone.dial(server.sip)
            await server.wait_for("leg.ringing")
            leg_id = server.of("leg.ringing")[0].leg_id
            assert (await client.post("/v1/rooms/r/legs", json={"leg_id": leg_id})).json()["status"] == "adding"
            await call.wait_answered()
            await server.wait_for("leg.joined_room")
            assert (await client.post("/v1/rooms/r/record", json={})).status_code == 200
            await trio.sleep(0.5)
        (finished,) = server.of("recording.finished")
        with wave.open(finished.data["file"]) as file:
            assert file.getnframes() / file.getframerate() >= 0.4
        ended = [event.type for event in server.events]
        assert ended.index("recording.finished") < len(ended)
        assert ended.count("leg.disconnected") == 1
        nothing_is_left(server.app)


async def test_a_vsi_client_sees_every_end_of_many_calls(tmp_path: Path) -> None:
    calls = 200
    config = settings(tmp_path, VSI_EVENT_BUFFER_SIZE="32", SHUTDOWN_TIMEOUT_MS="3000")
    seen: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        target = f"sip:x@127.0.0.1:{silent.getsockname()[1]}"
        async with trio.open_nursery() as nursery, serving(config) as server:
            for _ in range(calls):
                server.app.sip.create_outbound(OutboundRequest(to=target))
            await nursery.start(follow, server.url.replace("http", "ws") + "/v1/vsi", seen)
        assert seen.count("leg.disconnected") == calls
        assert "events_dropped" not in seen


async def follow(url: str, seen: list[str], *, task_status: trio.TaskStatus[None]) -> None:
    async with open_websocket_url(url) as client:
        task_status.started()
        with contextlib.suppress(ConnectionClosed):
            while True:
                seen.append(json.loads(await client.get_message())["type"])


def nothing_is_left(app: App) -> None:
    assert app.legs.unfinished == 0
    assert app.clock.statistics().rows == 0
    assert sum(pool.in_use for pool in app.pools.values()) == 0


async def test_a_peer_that_is_gone_costs_the_deadline_and_no_more(tmp_path: Path) -> None:
    async with serving(settings(tmp_path, SHUTDOWN_TIMEOUT_MS="1000")) as server:
        async with open_phone() as phone:
            call = await phone.dial(server.sip)
            await server.wait_for("leg.ringing")
            server.app.legs.all()[0].answer()
            await call.wait_answered()
            await server.wait_for("leg.connected")
            vanish(phone)
        before = trio.current_time()
    assert trio.current_time() - before < 1.3
    assert [event.data["cdr"]["reason"] for event in server.of("leg.disconnected")] == ["shutdown"]
    nothing_is_left(server.app)


def vanish(phone: Phone) -> None:
    """Make the phone forget its calls: closing it says goodbye to nobody."""
    for call in list(phone.calls):
        call.close()


async def test_an_address_that_is_taken_stops_the_start_with_one_line(tmp_path: Path) -> None:
    config = settings(tmp_path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", config.sip_port))
        with pytest.raises(StartError) as error:
            async with serving(config):
                raise AssertionError("it started")
    where = f"UDP 127.0.0.1:{config.sip_port}"
    assert str(error.value) == f"SIP cannot listen on {config.sip_port}: Address already in use ({where})"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken_http = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(StartError, match="HTTP cannot listen"):
            async with serving(settings(tmp_path, HTTP_ADDR=taken_http)):
                raise AssertionError("it started")


@pytest.mark.parametrize(
    ("host", "transport"), [("127.0.0.1", "TCP"), ("::1", "UDP"), ("::1", "TCP")], ids=["tcp", "udp6", "tcp6"]
)
async def test_calls_both_ways_by_every_transport(tmp_path: Path, host: str, transport: Literal["UDP", "TCP"]) -> None:
    config = settings(tmp_path, SIP_TCP_ENABLED="true", SIP_BIND_IPV6="::1")
    shown = f"[{host}]" if ":" in host else host
    phone_settings = PhoneSettings(host=host, transport=transport)
    async with serving(config) as server, open_phone(phone_settings) as phone:
        call = await phone.dial(f"sip:service@{shown}:{config.sip_port};transport={transport.lower()}")
        await server.wait_for("leg.ringing")
        server.app.legs.all()[0].answer()
        with trio.fail_after(5):
            await call.wait_answered()
            await server.wait_for("leg.connected")
            await call.hangup()
            await server.wait_for("leg.disconnected")
        leg = server.app.sip.create_outbound(OutboundRequest(to=str(phone.uri)))
        with trio.fail_after(5):
            called = await phone.wait_call()
            called.answer()
            await server.wait_for("leg.connected", 2)
            leg.hangup()
            assert await called.wait_ended() == "remote_bye"


async def test_a_silent_peer_and_a_speaking_one(tmp_path: Path) -> None:
    async with serving(settings(tmp_path, RTP_TIMEOUT_MS="600")) as server, open_phone() as phone:
        for _ in range(2):
            call = await phone.dial(server.sip)
            await server.wait_for("leg.ringing", len(server.of("leg.ringing")) + 1)
            server.app.legs.all()[-1].answer()
            await call.wait_answered()
        await trio.sleep(1.5)
        assert server.of("leg.disconnected") == []  # a phone that says nothing sends silence
        phone.calls[0].port.close()
        await server.wait_for("leg.disconnected")
        (end,) = server.of("leg.disconnected")
        assert end.data["cdr"]["reason"] == "rtp_timeout"
        assert end.data["cdr"]["duration_answered"] == pytest.approx(2.1, abs=0.4)
        assert end.data["quality"]["rtp_packets_received"] > 50


async def test_draining_refuses_new_calls(tmp_path: Path) -> None:
    from vb.app import drain

    async with (
        serving(settings(tmp_path)) as server,
        open_phone() as phone,
        httpx.AsyncClient(base_url=server.url) as client,
    ):
        drain(server.app)
        assert (await client.get("/readyz")).status_code == 503
        refused = await client.post("/v1/legs", json={"type": "sip", "to": str(phone.uri)})
        assert refused.status_code == 503
        call = await phone.dial(server.sip)
        with trio.fail_after(5):
            await call.wait_ended()
        assert not call.answered
        assert not server.of("leg.ringing")


async def test_why_a_call_failed_can_be_seen_afterwards(tmp_path: Path) -> None:
    async with (
        serving(settings(tmp_path)) as server,
        httpx.AsyncClient(base_url=server.url) as client,
        open_phone(PhoneSettings(user="bob")) as bob,
    ):
        leg = (await client.post("/v1/legs", json={"type": "sip", "uri": str(bob.uri)})).json()["id"]
        (await bob.wait_call()).reject(486)
        await server.wait_for("leg.disconnected")
        told = server.of("leg.disconnected")[0].data
        assert (told["cdr"]["reason"], told["sip_code"], told["sip_reason"]) == ("busy", 486, "Busy Here")
        messages = (await client.get(f"/v1/legs/{leg}/trace")).json()["messages"]
        assert [message["start_line"].split(" ")[0 if message["dir"] == "out" else 1] for message in messages] == [
            "INVITE",
            "100",
            "486",
            "ACK",
        ]
        assert {message["remote"] for message in messages} == {f"127.0.0.1:{bob.address[1]}"}
        assert all(message["local"].startswith("127.0.0.1:") for message in messages)
        assert "486 Busy Here (INVITE)" in (await client.get(f"/v1/legs/{leg}/trace?format=text")).text
        assert (await client.get(f"/v1/legs/{leg}/trace?format=svg")).text.startswith("<svg")
        assert "vb_sip_traced_legs 1" in (await client.get("/metrics")).text
