"""A pjsua2 phone as a process that is transferred, or transfers.

    python pjsua_transfer.py ROLE URI PORT SECONDS [TARGET]

ROLE is ``wait`` (does what a REFER says), ``blind`` (refers the other side to TARGET) or ``attended`` (makes two calls
and connects their other ends). Prints ``confirmed``, ``disconnected CODE``, ``referred URI`` and ``status CODE FINAL``.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import pjsua2 as pj

CALLS: list[Any] = []


class Call(pj.Call):  # type: ignore[misc]
    def __init__(self, account: Any, number: int = pj.PJSUA_INVALID_ID) -> None:
        super().__init__(account, number)
        self.account = account
        self.up = self.over = False
        CALLS.append(self)

    def onCallState(self, _: Any) -> None:
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self.up = True
            print("confirmed", flush=True)
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.over = True
            print("disconnected", info.lastStatusCode, flush=True)

    def onCallTransferRequest(self, request: Any) -> None:
        print("referred", request.dstUri, flush=True)
        request.newCall = Call(self.account)

    def onCallTransferStatus(self, told: Any) -> None:
        print("status", told.statusCode, told.finalNotify, flush=True)


def spin(endpoint: Any, seconds: float, done: Any) -> None:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        endpoint.libHandleEvents(20)


def main() -> None:
    role, uri, port, seconds, *target = sys.argv[1:]
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 0
    config.uaConfig.threadCnt = 0
    endpoint.libInit(config)
    listen = pj.TransportConfig()
    listen.port, listen.boundAddress, listen.publicAddress = int(port), "127.0.0.1", "127.0.0.1"
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, listen)
    endpoint.libStart()
    endpoint.audDevManager().setNullDev()
    settings = pj.AccountConfig()
    settings.idUri = "sip:pjsua@127.0.0.1"
    settings.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
    settings.mediaConfig.transportConfig.publicAddress = "127.0.0.1"
    account = pj.Account()
    account.create(settings)
    for _ in range(2 if role == "attended" else 1):
        call = Call(account)
        call.makeCall(uri, pj.CallOpParam(True))
        spin(endpoint, 5, lambda call=call: call.up)
    if role == "blind":
        CALLS[0].xfer(target[0], pj.CallOpParam(True))
    elif role == "attended":
        CALLS[0].xferReplaces(CALLS[1], pj.CallOpParam(True))
    spin(endpoint, float(seconds), lambda: all(call.over for call in CALLS))
    for call in CALLS:
        if not call.over:
            call.hangup(pj.CallOpParam())
    spin(endpoint, 5, lambda: all(call.over for call in CALLS))
    CALLS.clear()
    del call, account
    endpoint.libDestroy()


if __name__ == "__main__":
    main()
