"""Two baresip instances through a room: what one says is what the other hears, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from tests.interop.peers import assert_heard, assert_unheard, need, preferred, read_wav
from tests.interop.server import Application, put_into, serving
from tests.interop.steady import on_a_steady_machine
from tests.interop.voices import write_noise, write_speech
from vb.demo.processes import free_ports, running

SECONDS = 9.0

CONFIG = """\
poll_method epoll
sip_listen 127.0.0.1:{sip}
call_local_timeout 120
call_max_calls 4
audio_player aufile,{folder}/unused.wav
audio_source aufile,{voice}
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_level no
audio_buffer 20-160
rtcp_mux no
jitter_buffer_delay 1-5
net_interface 127.0.0.1
module_path {modules}
module g711.so
module aufile.so
module sndfile.so
snd_path {folder}
module_tmp account.so
module_app menu.so
"""
MODULES = "/usr/lib/baresip/modules"


@asynccontextmanager
async def baresip(folder: Path, name: str, app: Application, voice: Path, codec: str) -> AsyncIterator[Path]:
    """A baresip that calls the server, says ``voice`` and writes what it said and heard to the folder."""
    home = folder / name
    home.mkdir()
    (sip,) = free_ports(1)
    (home / "config").write_text(CONFIG.format(sip=sip, folder=home, voice=voice, modules=MODULES))
    (home / "accounts").write_text(f"<sip:{name}@127.0.0.1;transport=udp>;regint=0;audio_codecs={codec}/8000/1\n")
    command = [need("baresip"), "-f", str(home), "-e", f"/dial sip:room@127.0.0.1:{app.sip_port}"]
    log = home / "stdout.log"
    async with running(name, ["sh", "-c", 'exec "$@" >"$0" 2>&1', str(log), *preferred(command)], home / "stderr.log"):
        yield home


def recording(home: Path, side: str) -> Path:
    (found,) = home.glob(f"dump-*-{side}.wav")
    return found


@pytest.mark.parametrize("codecs", [("PCMU", "PCMU"), ("PCMA", "PCMU")])
async def test_two_phones_hear_each_other_and_not_themselves(tmp_path: Path, codecs: tuple[str, str]) -> None:
    await on_a_steady_machine(partial(converse, codecs), tmp_path)


async def converse(codecs: tuple[str, str], folder: Path) -> None:
    voices = {"alice": write_speech(folder / "alice.wav"), "bob": write_noise(folder / "bob.wav", seed=5)}
    async with serving(folder) as app:
        app.react = put_into("lounge")
        async with AsyncExitStack() as stack:
            homes = {}
            for (name, voice), codec in zip(voices.items(), codecs, strict=True):
                homes[name] = await stack.enter_async_context(baresip(folder, name, app, voice, codec))
                await trio.sleep(1)  # their SIP stack reads its own first call before the second starts
            await app.wait(lambda: len(app.of("leg.joined_room")) == 2, 15)
            await trio.sleep(SECONDS)
        await app.wait(lambda: len(app.of("leg.disconnected")) == 2, 15)
        said = {name: read_wav(recording(home, "enc")) for name, home in homes.items()}
        heard = {name: read_wav(recording(home, "dec")) for name, home in homes.items()}
        for name, other in (("alice", "bob"), ("bob", "alice")):
            assert_heard(said[other], heard[name], seconds=5)
            assert_unheard(said[name], heard[name], seconds=5)
        for event in app.of("leg.disconnected"):
            quality = event["quality"]
            assert quality["rtp_packets_lost"] == 0
            assert quality["remote_report"]["lost"] == 0  # by RTCP from port to port
            assert 0 <= quality["rtt_ms"] < 100
