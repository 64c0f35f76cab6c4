"""Every setting of the environment: defaults, forms, and the one line that a wrong value gives."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vb.config import Config
from vb.environment import ConfigError, duration


def read(**variables: str) -> Config:
    return Config.from_environment(variables)


def test_defaults_without_any_variable() -> None:
    config = read()
    assert config.http_addr == ":8080"
    assert config.sip_bind_ip == "127.0.0.1"
    assert config.sip_port == 5060
    assert [codec.name for codec in config.sip_codecs] == ["PCMU", "PCMA"]
    assert (config.rtp_port_min, config.rtp_port_max) == (10000, 20000)
    assert config.livekit_default_token_ttl == 21600
    assert config.allowed_ips == ()
    assert (config.sip_ring_limit_ms, config.rtp_timeout_ms, config.shutdown_timeout_ms) == (180_000, 30_000, 5000)


def test_the_instance_gets_a_name_of_its_own() -> None:
    assert read().instance_id != read().instance_id
    assert read(INSTANCE_ID="node-1").instance_id == "node-1"


@pytest.mark.parametrize("field", [field.name for field in attrs.fields(Config) if field.name != "instance_id"])
def test_an_empty_variable_counts_as_unset(field: str) -> None:
    assert getattr(read(**{field.upper(): ""}), field) == getattr(read(), field)


@pytest.mark.parametrize(
    ("variable", "value", "read_as"),
    [
        ("SIP_AUTO_RINGING", "true", True),
        ("SIP_AUTO_RINGING", "TRUE", False),  # only the exact word
        ("SIP_AUTO_RINGING", "1", False),
        ("SIP_TCP_ENABLED", "Yes", True),
        ("SIP_TCP_ENABLED", "perhaps", False),
        ("COMFORT_NOISE_ENABLED", "off", False),
        ("COMFORT_NOISE_ENABLED", "perhaps", True),  # neither yes nor no: the default
        ("AMRNB_MODE", "99", 7),
        ("AMRNB_MODE", "-1", 0),
        ("VSI_EVENT_BUFFER_SIZE", "1", 16),
        ("DEFAULT_SAMPLE_RATE", "44100", 16000),
        ("DEFAULT_SAMPLE_RATE", "48000", 48000),
        ("SIPREC_ROOM_MODE", "Per_Session", "per_session"),
        ("SIPREC_ROOM_MODE", "nonsense", "none"),
        ("SIP_INBOUND_REGISTER_DEFAULT", "nonsense", "reject"),
        ("SIP_OUTBOUND_REGISTRATION_REFRESH_RATIO", "0.8", 0.8),
        ("SIP_OUTBOUND_REGISTRATION_REFRESH_RATIO", "7", 0.5),
        ("S3_PREFLIGHT_TIMEOUT", "1m30s", 90.0),
        ("S3_PREFLIGHT_TIMEOUT", "0", 0.0),
        ("ICE_SERVERS", " stun:a , ,turn:b ", ("stun:a", "turn:b")),
        ("SIP_BIND_IPV6", "[::1]", "::1"),
        ("HTTP_ADDR", "[::1]:80", "[::1]:80"),
        ("SIP_OUTBOUND_PROXY", "sip:proxy.example.test;lr", "sip:proxy.example.test;lr"),
        ("RTP_LATCH", "follow", "follow"),
    ],
)
def test_forms(variable: str, value: str, read_as: object) -> None:
    assert getattr(read(**{variable: value}), variable.lower()) == read_as


def test_codecs_that_are_unknown_repeated_or_cannot_run_are_dropped_and_said() -> None:
    environment = {"SIP_CODECS": "pcma,nonsense,PCMA,opus,PCMU"}
    config = Config.from_environment(environment)
    assert [codec.name for codec in config.sip_codecs] == ["PCMA", "PCMU"]
    (warning,) = config.warnings(environment)
    assert "nonsense" in warning
    assert [codec.name for codec in read(SIP_CODECS="nonsense").sip_codecs] == ["PCMU", "PCMA"]


def test_settings_of_what_is_not_built_are_said() -> None:
    environment = {"SIPREC_ENABLED": "true"}
    assert "SIPREC_ENABLED" in Config.from_environment(environment).warnings(environment)[0]


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL"),
        ({"SIP_PORT": "abc"}, "SIP_PORT"),
        ({"SIP_PORT": "70000"}, "SIP_PORT"),
        ({"RTP_PORT_MAX": "70000"}, "RTP_PORT_MAX"),
        ({"RTP_PORT_MIN": "10000", "RTP_PORT_MAX": "10050"}, "RTP_PORT_MAX"),
        ({"RTP_PORT_MIN": "19950"}, "RTP_PORT_MIN"),
        ({"RTP_PORT_MIN": "0"}, "RTP_PORT_MIN"),
        ({"AMRNB_MODE": "seven"}, "AMRNB_MODE"),
        ({"SIP_JITTER_BUFFER_MS": "-1"}, "SIP_JITTER_BUFFER_MS"),
        ({"LIVEKIT_OPUS_BITRATE": "5"}, "LIVEKIT_OPUS_BITRATE"),
        ({"S3_PREFLIGHT_TIMEOUT": "10"}, "S3_PREFLIGHT_TIMEOUT"),
        ({"S3_PREFLIGHT_TIMEOUT": "ten"}, "S3_PREFLIGHT_TIMEOUT"),
        ({"ALLOWED_IPS": "10.0.0.0/8,nonsense"}, "ALLOWED_IPS"),
        ({"HTTP_ADDR": "8080"}, "HTTP_ADDR"),
        ({"HTTP_ADDR": "::1:8080"}, "HTTP_ADDR"),
        ({"SIP_BIND_IP": "localhost"}, "SIP_BIND_IP"),
        ({"SIP_BIND_IP": "::1"}, "SIP_BIND_IP"),
        ({"SIP_DOMAIN": "no name"}, "SIP_DOMAIN"),
        ({"SIP_LISTEN_IPV6": "127.0.0.1"}, "SIP_LISTEN_IPV6"),
        ({"SIP_OUTBOUND_PROXY": "not a uri"}, "SIP_OUTBOUND_PROXY"),
        ({"SIP_OUTBOUND_PROXY": "tel:+49"}, "SIP_OUTBOUND_PROXY"),
        ({"S3_ENDPOINT": "minio.example.com"}, "S3_ENDPOINT"),
        ({"S3_ENDPOINT": "http://s3.example.com"}, "S3_ENDPOINT"),
        ({"WEBHOOK_URL": "ftp://x"}, "WEBHOOK_URL"),
        ({"MEDIA_IO": "fast"}, "MEDIA_IO"),
        ({"PLAY_ALLOW_PRIVATE": "some"}, "PLAY_ALLOW_PRIVATE"),
        ({"SIP_TLS_PORT": "5061"}, "SIP_TLS_CERT"),
        ({"SIP_WSS_PORT": "443", "SIP_TLS_KEY": "k.pem"}, "SIP_TLS_CERT"),
        ({"SIP_TLS_CERT": "c.pem"}, "SIP_TLS_KEY"),
        ({"SIP_WS_PORT": "http"}, "SIP_WS_PORT"),
        ({"SIP_SOURCE_RATE": "-1"}, "SIP_SOURCE_RATE"),
        ({"MOQ_ENABLED": "true"}, "MOQ_TLS_CERT_FILE"),
        ({"LIVEKIT_TOKEN_SIGNING_ENABLED": "true"}, "LIVEKIT_API_KEY"),
    ],
)
def test_what_cannot_be_read_is_named_with_what_would_do(variables: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(**variables)
    text = str(error.value)
    assert text.startswith(f'{named}="')
    assert text.endswith(" is wanted")
    assert "\n" not in text


@pytest.mark.parametrize("endpoint", ["https://s3.example.com", "http://127.0.0.1:9000", "http://minio:9000"])
def test_storage_that_is_guarded(endpoint: str) -> None:
    assert read(S3_ENDPOINT=endpoint).s3_endpoint == endpoint


def test_both_rtp_ports_zero_leave_the_choice_to_the_kernel() -> None:
    assert read(RTP_PORT_MIN="0", RTP_PORT_MAX="0").rtp_port_max == 0


def test_secrets_are_neither_shown_nor_forgotten() -> None:
    config = read(WEBHOOK_SECRET="very-secret", DEEPGRAM_API_KEY="key-of-mine")
    assert "very-secret" not in repr(config)
    assert set(config.secrets) == {"very-secret", "key-of-mine"}


def test_credentials_in_a_url_are_not_shown() -> None:
    with pytest.raises(ConfigError) as error:
        read(WEBHOOK_URL="ftp://me:pass@word@x/a@b")
    assert "word" not in str(error.value)
    assert "@x/a@b" in str(error.value)


@given(st.dictionaries(st.sampled_from([f.name.upper() for f in attrs.fields(Config)]), st.text(max_size=20)))
def test_any_environment_gives_settings_or_one_line(environment: dict[str, str]) -> None:
    complaint = ""
    try:
        Config.from_environment(environment)
    except ConfigError as error:
        complaint = str(error)
    assert len(complaint.splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("300ms", 0.3), ("1.5h", 5400), ("1h30m10s", 5410), ("2us", 2e-6), ("10µs", 1e-5), ("7ns", 7e-9), (".5s", 0.5)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "1", "1 s", "1d", "-1s", "1s2", "9" * 40 + "h", "1e3s"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError):
        duration(text)
