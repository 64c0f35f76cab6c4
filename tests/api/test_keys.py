"""API keys: who gets in, and what each key is good for."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio_websocket import HandshakeError, open_websocket_url

from tests.api.test_server import frame, open_server
from vb.api.keys import Keys, load_keys, read_keys, scope_of
from vb.api.operation import TABLE
from vb.config import Config
from vb.environment import ConfigError
from vb.part_settings import allow_list, api_keys

KEYS = "reader-key:read, pilot-key:read+control,sound-key:media,root-key:admin"


def test_scopes_of_operations() -> None:
    scopes = {name: scope_of(TABLE.operations[name]) for name in ("listLegs", "createLeg", "muteLeg", "deleteRoom")}
    assert scopes == {"listLegs": "read", "createLeg": "control", "muteLeg": "media", "deleteRoom": "control"}


@pytest.mark.parametrize(
    ("name", "headers", "wanted"),
    [
        ("listLegs", {}, 401),
        ("listLegs", {"Authorization": "Bearer wrong"}, 401),
        ("listLegs", {"Authorization": "Basic reader-key"}, 401),
        ("listLegs", {"Authorization": "bearer reader-key"}, None),
        ("listLegs", {"X-API-Key": "reader-key"}, None),
        ("listLegs", {"Sec-WebSocket-Protocol": "json, bearer.reader-key"}, None),
        ("listLegs", {"X-API-Key": "sound-key"}, 403),
        ("createLeg", {"X-API-Key": "reader-key"}, 403),
        ("createLeg", {"X-API-Key": "pilot-key"}, None),
        ("muteLeg", {"X-API-Key": "pilot-key"}, 403),
        ("muteLeg", {"X-API-Key": "sound-key"}, None),
        ("muteLeg", {"X-API-Key": "root-key"}, None),
        ("", {}, 401),  # a path that is none
        ("", {"X-API-Key": "reader-key"}, None),
    ],
)
def test_who_gets_in(name: str, headers: Any, wanted: int | None) -> None:
    refusal = Keys(read_keys(KEYS)).refusal(headers, TABLE.operations.get(name))
    assert (refusal[0] if refusal is not None else None) == wanted


def test_paths_that_need_no_key() -> None:
    by_url = {operation.url: operation for operation in TABLE}
    for url, wanted in (("/healthz", None), ("/readyz", None), ("/metrics", 401), ("/docs", 401)):
        refusal = Keys(read_keys(KEYS)).refusal({}, by_url[url])
        assert (refusal[0] if refusal is not None else None) == wanted
    assert Keys().refusal({}, by_url["/metrics"]) is None


@pytest.mark.parametrize("text", ["key", ":read", "key:", "key:fly", "key:read:app", "a:b:c:d", ","])
def test_keys_that_cannot_be_read_stop_the_start(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Config.from_environment({"API_KEYS": text})
    assert 'API_KEYS="***"' in str(refused.value)


def test_a_file_of_hashes(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(f'[[key]]\nsha256 = "{sha256(b"secret").hexdigest()}"\nscopes = ["read"]\n')
    config = Config.from_environment({"API_KEYS_FILE": str(file), "API_KEYS": "other-key:admin"})
    keys = api_keys(config)
    for key in ("secret", "other-key"):
        assert keys.refusal({"X-API-Key": key}, TABLE.operations["listLegs"]) is None
    assert "other-key" in config.secrets
    assert allow_list(config).allows("203.0.113.5")
    assert not allow_list(Config()).allows("203.0.113.5")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no toml",
        "key = 1",
        "key = [1]",
        '[[key]]\nsha256 = "00"\nscopes = ["read"]',
        '[[key]]\nsha256 = "zz"\nscopes = ["read"]',
        f'[[key]]\nsha256 = "{"0" * 64}"\nscopes = ["fly"]',
        f'[[key]]\nsha256 = "{"0" * 64}"\nscopes = ["read"]\napp_id = "x"',
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="API_KEYS_FILE"):
        api_keys(Config(api_keys_file=str(file)))
    with pytest.raises(ConfigError, match="API_KEYS_FILE"):
        api_keys(Config(api_keys_file=str(tmp_path / "missing")))


@pytest.mark.realtime
async def test_over_http_and_vsi(tmp_path: Path) -> None:
    async with open_server(tmp_path, keys=Keys(read_keys(KEYS))) as running, httpx.AsyncClient() as client:
        answer = await client.get(f"{running.http}/v1/legs")
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert set(answer.json()) == {"instance_id", "error"}
        assert (await client.get(f"{running.http}/v1/nowhere")).status_code == 401
        assert (await client.get(f"{running.http}/healthz")).status_code == 200
        assert (await client.options(f"{running.http}/v1/legs")).status_code == 204
        headers = {"Authorization": "Bearer reader-key"}
        assert (await client.get(f"{running.http}/v1/legs", headers=headers)).status_code == 200
        assert (await client.post(f"{running.http}/v1/rooms", headers=headers)).status_code == 403
        with pytest.raises(HandshakeError):
            async with open_websocket_url(running.vsi):
                pass
        async with open_websocket_url(running.vsi, subprotocols=["bearer.reader-key"]) as websocket:
            assert websocket.subprotocol == "bearer.reader-key"
            assert await frame(websocket) == {"type": "connected"}
            await websocket.send_message('{"type":"create_room","request_id":"1"}')
            refusal = await frame(websocket)
            assert (refusal["type"], refusal["data"]["code"]) == ("error", 403)
            await websocket.send_message('{"type":"list_legs","request_id":"2"}')
            assert (await frame(websocket))["type"] == "list_legs.result"
    await trio.lowlevel.checkpoint()


def test_a_file_without_app_ids_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    tables = [f'[[key]]\nsha256 = "{n:064x}"\nscopes = ["Read", "media"]\n' for n in range(3)]
    file.write_text("".join(tables))
    assert [key.scopes for key in load_keys(file)] == [frozenset({"read", "media"})] * 3
