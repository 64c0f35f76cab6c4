"""The small settings of each part, made from the one configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vb.activity.address_rule import AddressRule
from vb.activity.fetch import FetchSettings
from vb.api.allow_list import AllowList, parse_networks
from vb.api.http_post import HttpPoster
from vb.api.keys import Keys, load_keys, read_keys
from vb.api.webhooks import Webhooks, WebhookSettings
from vb.call.events import Webhook
from vb.config import Config
from vb.environment import ConfigError
from vb.legs.sip.identity import contact_of, sent_by_of
from vb.legs.sip.info import METHOD as INFO
from vb.legs.sip.messages import METHOD as MESSAGE
from vb.legs.sip.registrations import METHOD as REGISTER
from vb.legs.sip.settings import Address, RegistrarSettings, SipSettings
from vb.media.port_pool import PortPool
from vb.net.addresses import is_wildcard
from vb.net.driver import Listen
from vb.net.own_address import default_address
from vb.net.tls import TlsContexts, TlsFileError, TlsSettings
from vb.sip.config import ALLOW, UaConfig
from vb.sip.effects import Transport
from vb.sip.registrar import RegistrarPolicy
from vb.sip.timers import TimerValues
from vb.sip.uri import parse_uri
from vb.store.bindings import BindingStore


def sip_settings(config: Config) -> SipSettings:
    """Settings of SIP legs. Addresses: SIP_EXTERNAL_IP is told for IPv4, else what we are bound to."""
    v4 = v6 = None
    if config.sip_bind_ip:
        v4 = _address(4, config.sip_listen_ip or config.sip_bind_ip, config.sip_external_ip or config.sip_bind_ip)
    if config.sip_bind_ipv6:
        v6 = _address(6, config.sip_listen_ipv6 or config.sip_bind_ipv6, config.sip_bind_ipv6)
    return SipSettings(
        host_name=config.sip_host,
        domain=config.sip_domain,
        port=config.sip_port,
        ipv4=v4,
        ipv6=v6,
        codecs=config.sip_codecs,
        auto_ringing=config.sip_auto_ringing,
        strict_mlines=config.sip_sdp_strict_mline_answer,
        speech_detection=config.speech_detection_enabled,
        ring_limit=config.sip_ring_limit_ms / 1000,
        max_calls=config.sip_max_calls,
        max_parked=config.sip_max_parked,
        rtp_timeout=config.rtp_timeout_ms / 1000,
        dtmf_methods=config.dtmf_methods,
        challenge_lifetime=config.sip_inbound_auth_nonce_ttl_seconds,
        outbound_proxy=parse_uri(config.sip_outbound_proxy) if config.sip_outbound_proxy else None,
        webhook=_global_webhook(config),
        refer_auto_dial=config.sip_refer_auto_dial,
        refer_timeout=config.sip_refer_consult_timeout_ms / 1000,
        registrar=_registrar_settings(config),
    )


def _registrar_settings(config: Config) -> RegistrarSettings:
    return RegistrarSettings(
        policy=RegistrarPolicy(
            default=config.sip_registration_default_expires_seconds,
            most=config.sip_registration_max_expires_seconds,
            several=config.sip_registration_allow_multiple_contacts,
            max_contacts=config.sip_max_contacts,
        ),
        domains=frozenset(config.sip_registrar_domains),
        consult_timeout=config.sip_inbound_auth_consult_timeout_ms / 1000,
        accept_by_default=config.sip_inbound_register_default == "accept",
        sweep_interval=config.sip_registration_sweep_interval_ms / 1000,
        max_parked=config.sip_max_parked,
    )


def _address(version: int, bind: str, advertised: str) -> Address:
    return Address(bind, default_address(version) if is_wildcard(advertised) else advertised)


def _global_webhook(config: Config) -> Webhook | None:
    return Webhook(config.webhook_url, config.webhook_secret) if config.webhook_url else None


def listens(config: Config) -> list[Listen]:
    """Where SIP comes in: UDP, and the other transports if switched on, on each address."""
    hosts = [config.sip_listen_ip or config.sip_bind_ip, config.sip_listen_ipv6 or config.sip_bind_ipv6]
    listens = [Listen("UDP", host, config.sip_port) for host in hosts if host]
    if config.sip_tcp_enabled:
        listens += [Listen("TCP", host, config.sip_port) for host in hosts if host]
    given: list[tuple[Transport, str]] = [
        ("TLS", config.sip_tls_port),
        ("WS", config.sip_ws_port),
        ("WSS", config.sip_wss_port),
    ]
    listens += [Listen(transport, host, int(port)) for transport, port in given if port for host in hosts if host]
    return listens


def tls_contexts(config: Config) -> TlsContexts:
    """Our certificate and whom we trust. Raises ConfigError for a file that cannot be used."""
    settings = TlsSettings(
        certificate=config.sip_tls_cert,
        key=config.sip_tls_key,
        authorities=config.sip_tls_ca_file,
        verify=not config.sip_tls_insecure_skip_verify,
    )
    try:
        return TlsContexts(settings)
    except TlsFileError as error:
        variable = {"certificate": "SIP_TLS_CERT", "key": "SIP_TLS_KEY", "authorities": "SIP_TLS_CA_FILE"}[error.part]
        raise ConfigError(variable, error.path, f"a readable PEM file ({error.reason})") from error


def ua_config(config: Config, settings: SipSettings, ports: Mapping[str, int]) -> UaConfig:
    """The user agent's identity and timers. ``ports`` gets the ports listened on, by transport, once they are open."""
    timers = TimerValues(config.sip_t1_ms / 1000, config.sip_t2_ms / 1000, config.sip_t4_ms / 1000)
    return UaConfig(
        contact=lambda hop: contact_of(settings, hop, ports.get(hop.transport, 0)),
        sent_by=lambda hop: sent_by_of(settings, hop, ports.get(hop.transport, 0)),
        user_agent=config.sip_host,
        timers=timers,
        supported=(*(() if config.sip_100rel == "off" else ("100rel",)), "timer", "replaces", "norefersub"),
        allow=(*ALLOW, *(() if config.sip_100rel == "off" else ("PRACK",)), MESSAGE, INFO),
        handed_up=frozenset({MESSAGE, INFO, REGISTER}),
        supported_in={REGISTER: ("path",)},
        require_100rel=config.sip_100rel == "required",
        session_expires=config.sip_session_expires_seconds,
        min_se=config.sip_min_se_seconds,
        use_source_socket=config.sip_use_source_socket,
        source_rate=config.sip_source_rate,
        largest_datagram=1300,  # RFC 3261 §18.1.1, for a path whose MTU is not known
    )


def api_keys(config: Config) -> Keys:
    """The keys of the API, of both settings. Raises ConfigError for a file that cannot be used."""
    keys = read_keys(config.api_keys)
    if config.api_keys_file:
        try:
            keys += load_keys(Path(config.api_keys_file))
        except (OSError, ValueError) as error:
            raise ConfigError("API_KEYS_FILE", config.api_keys_file, f"a readable file ({error})") from error
        if not keys:
            raise ConfigError("API_KEYS_FILE", config.api_keys_file, "at least one [[key]]")
    return Keys(keys)


def allow_list(config: Config) -> AllowList:
    """Who may connect: ALLOWED_IPS; else everybody where keys are asked for, and only this machine where not."""
    networks = config.allowed_ips
    if not networks and (config.api_keys or config.api_keys_file):
        networks = parse_networks("0.0.0.0/0,::/0")
    return AllowList(networks, config.trust_proxy_headers)


def port_pools(config: Config, settings: SipSettings) -> dict[str, PortPool]:
    """One pool for each address that RTP sockets are bound to."""
    return {
        address.bind: PortPool(address.bind, config.rtp_port_min, config.rtp_port_max, dscp=config.rtp_dscp)
        for address in (settings.ipv4, settings.ipv6)
        if address is not None
    }


def webhooks_of(config: Config) -> Webhooks:
    """The webhooks: the configured URL may be anywhere, those that calls bring only where PLAY_ALLOW_PRIVATE says."""
    poster = HttpPoster(
        AddressRule(config.play_allow_private),  # type: ignore[arg-type]
        trusted=frozenset({config.webhook_url} - {""}),
        user_agent=config.sip_host,
    )
    undelivered = Path(config.state_dir) / "undelivered-webhooks.jsonl"
    keep = None if config.state_dir == ":memory:" else undelivered
    return Webhooks(WebhookSettings(default=_global_webhook(config), undelivered=keep), poster)


def binding_store(config: Config) -> BindingStore | None:
    """Where registrations are kept."""
    return None if config.state_dir == ":memory:" else BindingStore(Path(config.state_dir) / "registrations.sqlite")


def fetch_settings(config: Config) -> FetchSettings:
    """What playback may fetch."""
    return FetchSettings(
        rule=AddressRule(config.play_allow_private),  # type: ignore[arg-type]
        play_dir=Path(config.play_dir) if config.play_dir else None,
    )
