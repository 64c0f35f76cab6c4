"""The files of TLS: read at the start, read again when they change, and named when they cannot be used."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest

from tests.net.certificates import Authority
from vb.net.tls import TlsContexts, TlsFileError, TlsSettings


def touch(path: str) -> None:
    """A change that shows even on a clock of whole seconds."""
    later = Path(path).stat().st_mtime + 5
    os.utime(path, (later, later))


def test_the_contexts_are_strict(tmp_path: Path) -> None:
    contexts = TlsContexts(Authority(tmp_path).settings("example.com"))
    server, client = contexts.server(), contexts.client("example.com")
    assert server.minimum_version == client.minimum_version == ssl.TLSVersion.TLSv1_2
    assert client.verify_mode is ssl.CERT_REQUIRED
    assert contexts.server() is server
    assert contexts.client("other.example.com") is client


def test_whom_not_to_verify(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    contexts = TlsContexts(TlsSettings(authorities=authority.path))
    contexts.unverified.add("lab.example.com")
    assert contexts.client("lab.example.com").verify_mode is ssl.CERT_NONE
    assert contexts.client("example.com").verify_mode is ssl.CERT_REQUIRED
    assert TlsContexts(TlsSettings(verify=False)).client("example.com").verify_mode is ssl.CERT_NONE


def test_without_a_certificate_nothing_is_accepted() -> None:
    with pytest.raises(OSError, match="no certificate"):
        TlsContexts(TlsSettings()).server()


def test_files_that_change_are_read_again(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    settings = authority.settings("example.com")
    contexts = TlsContexts(settings)
    before = contexts.server()
    authority.issue("example.com")
    touch(settings.certificate)
    after = contexts.server()
    assert after is not before
    assert contexts.server() is after


def test_half_a_change_leaves_the_last_good_ones(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    authority = Authority(tmp_path)
    settings = authority.settings("example.com")
    contexts = TlsContexts(settings)
    before = contexts.server()
    new_certificate, new_key = authority.issue("example.com", stem="new")
    Path(new_certificate).replace(settings.certificate)
    touch(settings.certificate)
    assert contexts.server() is before
    assert contexts.server() is before
    assert [record.message for record in caplog.records] == ["TLS files changed but cannot be used"]
    Path(new_key).replace(settings.key)
    assert contexts.server() is not before
    Path(settings.key).unlink()
    assert contexts.server() is not before


@pytest.mark.parametrize("part", ["certificate", "key", "authorities"])
@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, part: str, content: bytes | None) -> None:
    settings = Authority(tmp_path).settings("example.com")
    path = Path(getattr(settings, part))
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(TlsFileError) as error:
        TlsContexts(settings)
    assert error.value.part == (part if part != "key" or content is None else "certificate")
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_key_of_another_certificate_is_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, _ = authority.issue("example.com")
    _, key = authority.issue("example.com", stem="other")
    with pytest.raises(TlsFileError, match="not the key of") as error:
        TlsContexts(TlsSettings(certificate=certificate, key=key))
    assert error.value.part == "key"
