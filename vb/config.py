"""Every setting, read once from the environment into one frozen ``Config``.

The table below is the whole list: a field's name in upper case is its variable. An unset or empty variable gives the
default. A value that cannot be read stops the start with a ``ConfigError``.
"""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs

from vb.api.keys import read_keys
from vb.environment import (
    ConfigError,
    Reader,
    choice,
    duration,
    flag,
    host_name,
    http_url,
    ip_address,
    ip_networks,
    listen_address,
    one_of_numbers,
    only_true,
    port_number,
    ratio,
    text,
    whole,
    without_credentials,
    word_list,
    words,
)
from vb.sdp.formats import Codec, parse_codec_names
from vb.sip.errors import RemoteError
from vb.sip.uri import parse_uri

# Settings of parts that are not built: accepted, so that one environment serves every build, but said aloud.
_UNBUILT = ("siprec_enabled", "siprec_src_enabled", "livekit_enabled", "moq_enabled")

Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


def _codecs(value: str) -> tuple[Codec, ...]:
    """Names that are unknown or cannot run, and repeated ones, are dropped; nothing left means the default."""
    return parse_codec_names(value)[0] or parse_codec_names("PCMU,PCMA")[0]


def _sip_uri(value: str) -> str:
    wanted = "a SIP URI such as sip:proxy.example.com:5060;lr"
    try:
        uri = parse_uri(value.strip())
    except RemoteError:
        raise ValueError(wanted) from None
    if uri.scheme not in ("sip", "sips"):
        raise ValueError(wanted)
    return str(uri)


def _api_keys(value: str) -> str:
    if not read_keys(value):
        raise ValueError("a comma list of key:scope+scope")
    return value


def _setting(read: Reader, default: Any, *, secret: bool = False) -> Any:
    """One row of the table. ``secret`` values never appear in a message or in the repr."""
    return attrs.field(default=default, repr=not secret, metadata={"read": read, "secret": secret})


@attrs.frozen(kw_only=True)
class Config:
    """All settings. Times are in the unit that the name says; bare durations are in seconds."""

    # The process
    instance_id: str = attrs.field(factory=lambda: str(uuid.uuid4()), metadata={"read": text, "secret": False})
    log_level: str = _setting(choice("debug", "info", "warn", "error"), "info")
    shutdown_timeout_ms: int = _setting(whole(0, 600_000), 5000)
    drain_timeout_ms: int = _setting(whole(0), 0)
    state_dir: str = _setting(text, "./vb-state")
    default_sample_rate: int = _setting(one_of_numbers((8000, 16000, 48000), 16000), 16000)

    # The API and its webhooks
    http_addr: str = _setting(listen_address, ":8080")
    allowed_ips: Networks = _setting(ip_networks, ())  # noqa: RUF009
    api_keys: str = _setting(_api_keys, "", secret=True)
    api_keys_file: str = _setting(text, "")
    trust_proxy_headers: bool = _setting(flag(False), False)
    webhook_url: str = _setting(http_url, "")
    webhook_secret: str = _setting(text, "", secret=True)
    vsi_event_buffer_size: int = _setting(whole(16, 1_000_000, clamp=True), 256)

    # SIP: where, and who we are
    sip_bind_ip: str = _setting(ip_address(4), "127.0.0.1")
    sip_bind_ipv6: str = _setting(ip_address(6), "")
    sip_listen_ip: str = _setting(ip_address(4), "")
    sip_listen_ipv6: str = _setting(ip_address(6), "")
    sip_external_ip: str = _setting(ip_address(4), "")
    sip_port: int = _setting(port_number, 5060)
    sip_host: str = _setting(text, "voiceblender")
    sip_domain: str = _setting(host_name, "")
    sip_tcp_enabled: bool = _setting(flag(False), False)
    sip_tls_port: str = _setting(lambda value: str(port_number(value)), "")
    sip_tls_cert: str = _setting(text, "")
    sip_tls_key: str = _setting(text, "")
    sip_tls_ca_file: str = _setting(text, "")
    sip_tls_insecure_skip_verify: bool = _setting(flag(False), False)
    sip_ws_port: str = _setting(lambda value: str(port_number(value)), "")
    sip_wss_port: str = _setting(lambda value: str(port_number(value)), "")
    sip_source_rate: int = _setting(whole(0), 0)
    sip_use_source_socket: bool = _setting(only_true, False)
    sip_outbound_proxy: str = _setting(_sip_uri, "")
    sip_debug: bool = _setting(only_true, False)
    sip_dscp: int = _setting(whole(0, 63), 24)
    sip_t1_ms: int = _setting(whole(1, 60_000), 500)
    sip_t2_ms: int = _setting(whole(1, 600_000), 4000)
    sip_t4_ms: int = _setting(whole(1, 600_000), 5000)

    # Calls
    sip_auto_ringing: bool = _setting(only_true, False)
    sip_ring_limit_ms: int = _setting(whole(0), 180_000)
    sip_100rel: str = _setting(choice("off", "supported", "required"), "supported")
    sip_session_expires_seconds: int = _setting(whole(0), 1800)
    sip_min_se_seconds: int = _setting(whole(90, 86_400), 90)  # RFC 4028 §5: never less than 90
    sip_max_calls: int = _setting(whole(0), 0)
    sip_max_parked: int = _setting(whole(0), 1000)
    sip_codecs: tuple[Codec, ...] = _setting(_codecs, _codecs("PCMU,PCMA"))
    # RFC 3264 §6 wants every section answered, so this is on unless it is said otherwise (the contract: off).
    sip_sdp_strict_mline_answer: bool = _setting(flag(True), True)
    sip_refer_auto_dial: bool = _setting(only_true, False)
    sip_refer_consult_timeout_ms: int = _setting(whole(0), 2000)
    sip_inbound_auth_consult_timeout_ms: int = _setting(whole(0), 2000)
    sip_inbound_auth_nonce_ttl_seconds: int = _setting(whole(1), 60)

    # Registrar and trunks
    sip_inbound_register_default: str = _setting(choice("reject", "accept", otherwise="reject"), "reject")
    sip_registration_allow_multiple_contacts: bool = _setting(flag(True), True)
    sip_registrar_domains: tuple[str, ...] = _setting(lambda value: words(value.lower()), ())
    sip_max_contacts: int = _setting(whole(1, 1000), 10)
    sip_registration_default_expires_seconds: int = _setting(whole(1), 3600)
    sip_registration_max_expires_seconds: int = _setting(whole(1), 7200)
    sip_registration_sweep_interval_ms: int = _setting(whole(1), 1000)
    sip_outbound_registration_default_expires_seconds: int = _setting(whole(1), 3600)
    sip_outbound_registration_failure_backoff_max_ms: int = _setting(whole(1), 300_000)
    sip_outbound_registration_max_expires_seconds: int = _setting(whole(1), 7200)
    sip_outbound_registration_min_expires_seconds: int = _setting(whole(1), 60)
    sip_outbound_registration_refresh_ratio: float = _setting(ratio(0.5), 0.5)

    # Media
    rtp_port_min: int = _setting(whole(0, 65535), 10_000)
    rtp_port_max: int = _setting(whole(0, 65535), 20_000)
    rtp_timeout_ms: int = _setting(whole(0), 30_000)
    rtp_latch: str = _setting(choice("lock", "sdp", "follow"), "lock")
    dtmf_methods: tuple[str, ...] = _setting(word_list("rfc4733", "info", "inband"), ("rfc4733",))
    rtp_dscp: int = _setting(whole(0, 63), 46)
    media_realtime: bool = _setting(flag(False), False)
    media_io: str = _setting(choice("auto", "uring", "epoll"), "auto")
    sip_jitter_buffer_ms: int = _setting(whole(0), 0)
    sip_jitter_buffer_max_ms: int = _setting(whole(0), 300)
    ws_jitter_buffer_ms: int = _setting(whole(0, 1000, clamp=True), 0)
    comfort_noise_enabled: bool = _setting(flag(True), True)
    speech_detection_enabled: bool = _setting(only_true, False)
    amrnb_mode: int = _setting(whole(0, 7, clamp=True), 7)
    amrnb_octet_aligned: bool = _setting(flag(True), True)
    amrwb_mode: int = _setting(whole(0, 8, clamp=True), 2)
    amrwb_octet_aligned: bool = _setting(flag(True), True)

    # Playback, recording, storage
    play_dir: str = _setting(text, "")
    play_allow_private: str = _setting(choice("none", "loopback", "all"), "loopback")
    recording_dir: str = _setting(text, "/tmp/recordings")  # noqa: S108 - the contract's default
    s3_bucket: str = _setting(text, "")
    s3_endpoint: str = _setting(http_url, "")
    s3_allow_insecure_endpoint: bool = _setting(flag(False), False)
    s3_prefix: str = _setting(text, "")
    s3_region: str = _setting(text, "us-east-1")
    s3_preflight_timeout: float = _setting(duration, 10.0)
    s3_request_preflight_timeout: float = _setting(duration, 2.0)
    gcs_bucket: str = _setting(text, "")
    gcs_object_name_prefix: str = _setting(text, "")

    # SIPREC
    siprec_enabled: bool = _setting(flag(False), False)
    siprec_src_enabled: bool = _setting(flag(False), False)
    siprec_auto_answer: bool = _setting(flag(True), True)
    siprec_auto_record: bool = _setting(flag(False), False)
    siprec_room_mode: str = _setting(choice("none", "per_session", "fixed", otherwise="none", any_case=True), "none")
    siprec_room_id: str = _setting(text, "")
    siprec_max_streams: int = _setting(whole(1), 8)
    siprec_metadata_max_bytes: int = _setting(whole(1), 65_536)

    # WebRTC, LiveKit, MoQ
    ice_servers: tuple[str, ...] = _setting(words, ("stun:stun.l.google.com:19302",))
    webrtc_external_ips: tuple[str, ...] = _setting(words, ())
    livekit_enabled: bool = _setting(only_true, False)
    livekit_url: str = _setting(text, "")
    livekit_api_key: str = _setting(text, "", secret=True)
    livekit_api_secret: str = _setting(text, "", secret=True)
    livekit_token_signing_enabled: bool = _setting(only_true, False)
    livekit_default_token_ttl: float = _setting(duration, 21_600.0)
    livekit_opus_bitrate: int = _setting(whole(6000, 510_000), 24_000)
    moq_enabled: bool = _setting(only_true, False)
    moq_listen_addr: str = _setting(listen_address, ":8443")
    moq_opus_bitrate: int = _setting(whole(6000, 510_000), 24_000)
    moq_tls_cert_file: str = _setting(text, "")
    moq_tls_key_file: str = _setting(text, "")

    # Providers of speech and agents
    elevenlabs_api_key: str = _setting(text, "", secret=True)
    deepgram_api_key: str = _setting(text, "", secret=True)
    vapi_api_key: str = _setting(text, "", secret=True)
    azure_speech_key: str = _setting(text, "", secret=True)
    azure_speech_region: str = _setting(text, "eastus")
    tts_cache_enabled: bool = _setting(only_true, False)
    tts_cache_dir: str = _setting(text, "/tmp/tts_cache")  # noqa: S108 - the contract's default
    tts_cache_include_api_key: bool = _setting(only_true, False)
    tts_preflight_max_bytes: int = _setting(whole(1), 4_194_304)
    tts_preflight_max_per_leg: int = _setting(whole(1), 3)
    tts_preflight_ttl: float = _setting(duration, 30.0)

    # Read by the cloud SDKs, listed so that one place knows every variable
    aws_access_key_id: str = _setting(text, "", secret=True)
    aws_secret_access_key: str = _setting(text, "", secret=True)
    aws_session_token: str = _setting(text, "", secret=True)
    aws_profile: str = _setting(text, "")
    aws_region: str = _setting(text, "")
    google_application_credentials: str = _setting(text, "")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Config:
        """Read all settings. Raises ConfigError for the first value that cannot be used."""
        values: dict[str, Any] = {}
        for field in attrs.fields(cls):
            variable = field.name.upper()
            given = environment.get(variable, "")
            if not given:
                continue
            try:
                values[field.name] = field.metadata["read"](given)
            except ValueError as error:
                shown = without_credentials(given)
                raise ConfigError(variable, shown, str(error), secret=field.metadata["secret"]) from None
        config = cls(**values)
        config._check_together(environment)
        return config

    def warnings(self, environment: Mapping[str, str]) -> list[str]:
        """What was accepted but will not do what it says, one sentence each."""
        dropped = parse_codec_names(environment.get("SIP_CODECS", ""))[1]
        said = [f"SIP_CODECS names codecs that cannot run and are left out: {', '.join(dropped)}"] if dropped else []
        if "inband" in self.dtmf_methods:
            said.append("DTMF_METHODS names inband, which is not built")
        return said + [
            f"{name.upper()} is set, but this build has nothing for it" for name in _UNBUILT if getattr(self, name)
        ]

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must not be seen in a log."""
        fields = attrs.fields(type(self))
        values = [value for field in fields if field.metadata["secret"] and (value := getattr(self, field.name))]
        return (*values, *(key for item in self.api_keys.split(",") if (key := item.partition(":")[0].strip())))

    def _check_together(self, environment: Mapping[str, str]) -> None:
        """Rules about more than one setting."""

        def refuse(variable: str, wanted: str) -> ConfigError:
            return ConfigError(variable, without_credentials(environment.get(variable, "")), wanted)

        low, high = self.rtp_port_min, self.rtp_port_max
        if (low, high) != (0, 0) and (low < 1 or high - low < 100):
            variable = "RTP_PORT_MAX" if environment.get("RTP_PORT_MAX") else "RTP_PORT_MIN"
            raise refuse(variable, "RTP_PORT_MIN at least 100 below RTP_PORT_MAX, or both 0")
        if bool(self.sip_tls_cert) != bool(self.sip_tls_key) or (
            (self.sip_tls_port or self.sip_wss_port) and not self.sip_tls_cert
        ):
            missing = "SIP_TLS_KEY" if self.sip_tls_cert else "SIP_TLS_CERT"
            raise refuse(missing, "with SIP_TLS_PORT or SIP_WSS_PORT, SIP_TLS_CERT and SIP_TLS_KEY")
        if self.livekit_token_signing_enabled and not (self.livekit_api_key and self.livekit_api_secret):
            raise ConfigError(
                "LIVEKIT_API_KEY", "", "with LIVEKIT_TOKEN_SIGNING_ENABLED, LIVEKIT_API_KEY and LIVEKIT_API_SECRET"
            )
        if self.moq_enabled and not (self.moq_tls_cert_file and self.moq_tls_key_file):
            raise refuse("MOQ_TLS_CERT_FILE", "with MOQ_ENABLED, MOQ_TLS_CERT_FILE and MOQ_TLS_KEY_FILE")
        if self.s3_endpoint and not self.s3_allow_insecure_endpoint and not _guarded(self.s3_endpoint):
            raise refuse("S3_ENDPOINT", "https (or http to a private address, or S3_ALLOW_INSECURE_ENDPOINT=true)")


def _guarded(url: str) -> bool:
    """Whether a storage URL is encrypted, or stays on a private network."""
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_private
    except ValueError:
        return "." not in (parts.hostname or ".")  # a bare name, as in a compose file
