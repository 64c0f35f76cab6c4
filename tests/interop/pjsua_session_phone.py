"""A pjsua2 phone that insists on reliable provisional responses and a session interval of 90 s.

    python pjsua_session_phone.py PORT SECONDS [URI]

Dials URI, or waits for a call, answers 183 with a description at once and 200 half a second later. Prints
``confirmed`` and ``disconnected CODE``; hangs up after SECONDS.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import pjsua2 as pj


class Call(pj.Call):  # type: ignore[misc]
    over = False

    def onCallState(self, _: Any) -> None:
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            print("confirmed", flush=True)
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.over = True
            print("disconnected", info.lastStatusCode, flush=True)


class Account(pj.Account):  # type: ignore[misc]
    call: Call | None = None

    def onIncomingCall(self, incoming: Any) -> None:
        self.call = Call(self, incoming.callId)
        self.call.answer(operation(183))


def operation(status: int) -> Any:
    param = pj.CallOpParam()
    param.statusCode = status
    return param


def settings() -> Any:
    config = pj.AccountConfig()
    config.idUri = "sip:pjsua@127.0.0.1"
    config.callConfig.prackUse = pj.PJSUA_100REL_MANDATORY
    config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_ALWAYS
    config.callConfig.timerMinSESec = config.callConfig.timerSessExpiresSec = 90
    config.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
    config.mediaConfig.transportConfig.publicAddress = "127.0.0.1"
    return config


def main() -> None:
    port, seconds, *uri = sys.argv[1:]
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
    account = Account()
    account.create(settings())
    print("ready", flush=True)
    if uri:
        account.call = Call(account)
        account.call.makeCall(uri[0], pj.CallOpParam(True))
    run(endpoint, account, float(seconds), waits=not uri)
    account.call = None
    del account
    endpoint.libDestroy()


def run(endpoint: Any, account: Account, seconds: float, *, waits: bool) -> None:
    end, answer_at = time.monotonic() + seconds, 0.0
    while time.monotonic() < end and not (account.call is not None and account.call.over):
        endpoint.libHandleEvents(20)
        if waits and account.call is not None:
            answer_at = answer_at or time.monotonic() + 0.5
            if time.monotonic() > answer_at:
                account.call.answer(operation(200))
                waits = False
    if account.call is not None and not account.call.over:
        account.call.hangup(pj.CallOpParam())
        end = time.monotonic() + 5
        while not account.call.over and time.monotonic() < end:
            endpoint.libHandleEvents(20)


if __name__ == "__main__":
    main()
