"""From the one configuration to the settings of the parts."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from tests.net.certificates import Authority
from vb.config import Config
from vb.environment import ConfigError
from vb.net.driver import Listen
from vb.part_settings import listens, port_pools, sip_settings, tls_contexts, ua_config, webhooks_of
from vb.sip.effects import Hop


def read(**variables: str) -> Config:
    return Config.from_environment(variables)


def test_one_address_by_default() -> None:
    config = read()
    settings = sip_settings(config)
    assert settings.ipv4 is not None
    assert (settings.ipv4.bind, settings.ipv4.advertised, settings.ipv6) == ("127.0.0.1", "127.0.0.1", None)
    assert listens(config) == [Listen("UDP", "127.0.0.1", 5060)]
    assert list(port_pools(config, settings)) == ["127.0.0.1"]


def test_where_we_listen_is_not_what_we_say() -> None:
    config = read(
        SIP_LISTEN_IP="0.0.0.0",
        SIP_BIND_IP="192.0.2.1",
        SIP_EXTERNAL_IP="203.0.113.9",
        SIP_BIND_IPV6="2001:db8::1",
        SIP_LISTEN_IPV6="::",
        SIP_TCP_ENABLED="true",
    )
    settings = sip_settings(config)
    assert settings.ipv4 is not None
    assert settings.ipv6 is not None
    assert (settings.ipv4.bind, settings.ipv4.advertised) == ("0.0.0.0", "203.0.113.9")
    assert (settings.ipv6.bind, settings.ipv6.advertised) == ("::", "2001:db8::1")
    assert [(each.transport, each.host) for each in listens(config)] == [
        ("UDP", "0.0.0.0"),
        ("UDP", "::"),
        ("TCP", "0.0.0.0"),
        ("TCP", "::"),
    ]


def test_a_wildcard_is_never_told_to_peers() -> None:
    settings = sip_settings(read(SIP_BIND_IP="0.0.0.0"))
    assert settings.ipv4 is not None
    assert not ipaddress.ip_address(settings.ipv4.advertised).is_unspecified


def test_times_are_seconds() -> None:
    settings = sip_settings(read(SIP_RING_LIMIT_MS="1500", RTP_TIMEOUT_MS="0"))
    assert (settings.ring_limit, settings.rtp_timeout) == (1.5, 0.0)
    config = read(SIP_T1_MS="100")
    assert ua_config(config, sip_settings(config), {}).timers.t1 == 0.1


def test_contact_and_via_name_the_port_that_is_listened_on() -> None:
    config = read(SIP_PORT="0")
    ports: dict[str, int] = {}
    agent = ua_config(config, sip_settings(config), ports)
    ports["UDP"] = 40123
    hop = Hop("UDP", "127.0.0.1", 5060)
    assert str(agent.contact(hop)) == "sip:127.0.0.1:40123"
    assert agent.sent_by(hop) == ("127.0.0.1", 40123)


def test_every_transport_has_its_port(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).issue("127.0.0.1")
    config = read(SIP_TLS_PORT="5061", SIP_TLS_CERT=certificate, SIP_TLS_KEY=key, SIP_WS_PORT="80", SIP_WSS_PORT="443")
    assert listens(config)[1:] == [
        Listen("TLS", "127.0.0.1", 5061),
        Listen("WS", "127.0.0.1", 80),
        Listen("WSS", "127.0.0.1", 443),
    ]
    agent = ua_config(config, sip_settings(config), {"TLS": 5061, "WS": 80, "WSS": 443})
    contacts = [str(agent.contact(Hop(transport, "192.0.2.1", 1))) for transport in ("TLS", "WS", "WSS")]
    assert contacts == [
        "sip:127.0.0.1:5061;transport=tls",
        "sip:127.0.0.1:80;transport=ws",
        "sip:127.0.0.1:443;transport=ws",
    ]
    assert tls_contexts(config).server() is not None


@pytest.mark.parametrize("variable", ["SIP_TLS_CERT", "SIP_TLS_KEY", "SIP_TLS_CA_FILE"])
def test_a_tls_file_that_cannot_be_read_is_named_by_its_variable(tmp_path: Path, variable: str) -> None:
    certificate, key = Authority(tmp_path).issue("127.0.0.1")
    variables = {"SIP_TLS_PORT": "5061", "SIP_TLS_CERT": certificate, "SIP_TLS_KEY": key} | {variable: "/no/such.pem"}
    with pytest.raises(ConfigError) as error:
        tls_contexts(read(**variables))
    assert str(error.value) == (
        f'{variable}="/no/such.pem" cannot be used: a readable PEM file (No such file or directory) is wanted'
    )


def test_the_global_webhook() -> None:
    settings = sip_settings(read(WEBHOOK_URL="http://127.0.0.1/x", WEBHOOK_SECRET="hush"))
    assert settings.webhook is not None
    assert (settings.webhook.url, settings.webhook.secret) == ("http://127.0.0.1/x", "hush")
    assert webhooks_of(read(STATE_DIR=":memory:")) is not None
