"""A pjsua2 phone as a process: dials, plays a WAV and records what it hears until told to stop.

    python pjsua_phone.py URI TRANSPORT PORT VOICE.wav HEARD.wav SECONDS

Prints ``confirmed`` when the call is up and ``disconnected CODE`` at its end; hangs up after SECONDS by itself.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import pjsua2 as pj


class Call(pj.Call):  # type: ignore[misc]
    def __init__(self, account: Any, voice: Any, recorder: Any) -> None:
        super().__init__(account)
        self.voice, self.recorder = voice, recorder
        self.up = False
        self.over = False

    def onCallState(self, _: Any) -> None:
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self.up = True
            print("confirmed", flush=True)
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.over = True
            print("disconnected", info.lastStatusCode, flush=True)

    def onCallMediaState(self, _: Any) -> None:
        info = self.getInfo()  # kept in a variable: SWIG frees a temporary while its media is still read
        for index, media in enumerate(info.media):
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                audio = self.getAudioMedia(index)
                self.voice.startTransmit(audio)
                audio.startTransmit(self.recorder)


def main() -> None:
    uri, transport, port, voice, heard, seconds = sys.argv[1:]
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 0
    config.uaConfig.threadCnt = 0
    config.medConfig.clockRate = config.medConfig.sndClockRate = 8000
    config.medConfig.noVad = True
    config.medConfig.ecTailLen = 0
    # A fixed buffer of its own: what is missing or doubled in the recording is then ours, not its adaptation.
    config.medConfig.jbInit = config.medConfig.jbMinPre = config.medConfig.jbMaxPre = 60
    config.medConfig.jbMax = 200
    endpoint.libInit(config)
    listen = pj.TransportConfig()
    listen.port, listen.boundAddress, listen.publicAddress = int(port), "127.0.0.1", "127.0.0.1"
    kind = pj.PJSIP_TRANSPORT_TCP if transport == "TCP" else pj.PJSIP_TRANSPORT_UDP
    endpoint.transportCreate(kind, listen)
    endpoint.libStart()
    endpoint.audDevManager().setNullDev()
    account_config = pj.AccountConfig()
    account_config.idUri = "sip:pjsua@127.0.0.1"
    account_config.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
    account_config.mediaConfig.transportConfig.publicAddress = "127.0.0.1"
    account = pj.Account()
    account.create(account_config)
    player, recorder = pj.AudioMediaPlayer(), pj.AudioMediaRecorder()
    player.createPlayer(voice)
    recorder.createRecorder(heard)
    call = Call(account, player, recorder)
    call.makeCall(uri, pj.CallOpParam(True))
    end = time.monotonic() + float(seconds)
    while not call.over and time.monotonic() < end:
        endpoint.libHandleEvents(20)
    if not call.over:
        call.hangup(pj.CallOpParam())
        end = time.monotonic() + 5
        while not call.over and time.monotonic() < end:
            endpoint.libHandleEvents(20)
    del recorder, player, call, account
    endpoint.libDestroy()


if __name__ == "__main__":
    main()
