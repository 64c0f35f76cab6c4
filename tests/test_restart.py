"""What outlives the process."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest

from tests.sip.bench import request
from tests.test_app import serving, settings

pytestmark = pytest.mark.realtime


async def test_registered_phones_are_known_after_a_restart(tmp_path: Path) -> None:
    config = settings(tmp_path, SIP_INBOUND_REGISTER_DEFAULT="accept", SIP_INBOUND_AUTH_CONSULT_TIMEOUT_MS="0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind(("127.0.0.1", 0))
        phone.settimeout(5)
        host, port = phone.getsockname()
        via, contact = f"SIP/2.0/UDP {host}:{port}", f"<sip:alice@{host}:{port}>"
        async with serving(config) as first:
            data = request("REGISTER", to="<sip:alice@pbx.test>", via=via, contact=contact)
            phone.sendto(data, ("127.0.0.1", config.sip_port))
            before = await bindings(first.url)
            while not before:
                before = await bindings(first.url)
        assert phone.recv(2000).startswith(b"SIP/2.0 200 ")
    async with serving(config) as second:
        (binding,) = await bindings(second.url)
    assert (binding["aor"], binding["contact"]) == ("sip:alice@pbx.test", contact[1:-1])
    assert {name: value for name, value in binding.items() if not name.endswith(("_at", "refresh"))} == {
        name: value for name, value in before[0].items() if not name.endswith(("_at", "refresh"))
    }


async def bindings(url: str) -> list[dict[str, str]]:
    async with httpx.AsyncClient() as client:
        found: list[dict[str, str]] = (await client.get(f"{url}/v1/sip/registrations")).json()["bindings"]
        return found
