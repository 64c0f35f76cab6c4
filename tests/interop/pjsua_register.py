"""A pjsua2 phone that registers over TCP with a password, and answers whoever calls.

    python pjsua_register.py PORT REGISTRAR PASSWORD SECONDS

Prints ``registered CODE`` for every response, ``confirmed`` and ``disconnected CODE``; unregisters after the call.
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
    unregistered = False

    def onRegState(self, told: Any) -> None:
        print("registered", told.code, told.expiration, flush=True)
        self.unregistered = told.expiration == 0

    def onIncomingCall(self, incoming: Any) -> None:
        self.call = Call(self, incoming.callId)
        param = pj.CallOpParam()
        param.statusCode = 200
        self.call.answer(param)


def settings(registrar: str, password: str) -> Any:
    config = pj.AccountConfig()
    config.idUri = "sip:alice@pbx.test"
    config.regConfig.registrarUri = "sip:pbx.test;transport=tcp"
    config.regConfig.timeoutSec = 300
    config.sipConfig.proxies.append(f"sip:{registrar};transport=tcp;lr")
    config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", "alice", 0, password))
    config.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
    config.mediaConfig.transportConfig.publicAddress = "127.0.0.1"
    return config


def main() -> None:
    port, registrar, password, seconds = sys.argv[1:]
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 0
    config.uaConfig.threadCnt = 0
    endpoint.libInit(config)
    listen = pj.TransportConfig()
    listen.port, listen.boundAddress, listen.publicAddress = int(port), "127.0.0.1", "127.0.0.1"
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_TCP, listen)
    endpoint.libStart()
    endpoint.audDevManager().setNullDev()
    account = Account()
    account.create(settings(registrar, password))
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end and not (account.call is not None and account.call.over):
        endpoint.libHandleEvents(20)
    account.setRegistration(False)
    end = time.monotonic() + 5
    while not account.unregistered and time.monotonic() < end:
        endpoint.libHandleEvents(20)
    account.call = None
    del account
    endpoint.libDestroy()


if __name__ == "__main__":
    main()
