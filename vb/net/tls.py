"""Certificates and trust: the contexts of TLS connections, read again whenever their files change."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Literal, TypeVar

import attrs

log = logging.getLogger("vb.net")

T = TypeVar("T")
Part = Literal["certificate", "key", "authorities"]
Stamp = tuple[tuple[int, int, int], ...]


class TlsFileError(Exception):
    """A file of the TLS settings cannot be used. ``part`` says which, the text why, on one line."""

    def __init__(self, part: Part, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.part: Part = part
        self.path = path
        self.reason = reason


@attrs.frozen(kw_only=True)
class TlsSettings:
    """Paths of PEM files. Without ``certificate`` and ``key`` we only open TLS connections and accept none.

    ``authorities`` are who may sign the certificates of servers, "" means those that the system trusts. ``verify``
    False takes any certificate (RFC 3261 §26.3.1 wants it checked: for tests and closed networks).
    """

    certificate: str = ""
    key: str = ""
    authorities: str = ""
    verify: bool = True


class TlsContexts:
    """The contexts of an endpoint. Connections that are open keep what they were opened with.

    Raises:
        TlsFileError: a file cannot be used, at the start. Later the last good one stays, and a warning is logged.
    """

    def __init__(self, settings: TlsSettings) -> None:
        self._settings = settings
        self.unverified: set[str] = set()
        """Names of servers whose certificate is not to be checked."""
        self._unchecked = _client_context("", verify=False)
        self._clients = _Watched(
            (settings.authorities,) if settings.authorities else (),
            lambda: _client_context(settings.authorities, verify=settings.verify),
        )
        self._servers = (
            _Watched((settings.certificate, settings.key), lambda: _server_context(settings.certificate, settings.key))
            if settings.certificate
            else None
        )

    def server(self) -> ssl.SSLContext:
        """For a connection that is being accepted. Raises OSError when there is no certificate of ours."""
        if self._servers is None:
            raise OSError("no certificate of ours is configured")
        return self._servers.get()

    def client(self, name: str) -> ssl.SSLContext:
        """For a connection to the server ``name``; its ``verify_mode`` says whether the certificate is checked."""
        return self._unchecked if name in self.unverified else self._clients.get()


class _Watched(Generic[T]):
    """What is made of some files, made again when one of them has changed."""

    def __init__(self, paths: tuple[str, ...], make: Callable[[], T]) -> None:
        self._paths = paths
        self._make = make
        self._stamp = _stamp(paths)
        self._value = make()

    def get(self) -> T:
        stamp = _stamp(self._paths)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._value = self._make()
            except TlsFileError as error:  # certificate and key are replaced one after the other: the next look is due
                log.warning("TLS files changed but cannot be used", extra={"error": str(error)})
            else:
                log.info("TLS files read again", extra={"files": list(self._paths)})
        return self._value


def _stamp(paths: tuple[str, ...]) -> Stamp:
    """What differs after a file was written or replaced; zeros while it is missing."""
    stamps = []
    for path in paths:
        try:
            status = Path(path).stat()
        except OSError:
            stamps.append((0, 0, 0))
        else:
            stamps.append((status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(stamps)


def _server_context(certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    _check_readable("certificate", certificate)
    _check_readable("key", key)
    try:
        # A locked key would make OpenSSL ask on the terminal; nobody sits there.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error) or "unreadable"
        if reason == "KEY_VALUES_MISMATCH":
            raise TlsFileError("key", key, f"not the key of {certificate}") from error
        raise TlsFileError("certificate", certificate, f"no usable PEM certificate with {key} ({reason})") from error
    return context


def _client_context(authorities: str, *, verify: bool) -> ssl.SSLContext:
    """Whom the certificate names is checked by RFC 5922, not by the rules for HTTPS that OpenSSL knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    context.check_hostname = False
    if not verify:
        context.verify_mode = ssl.CERT_NONE
    if authorities:
        _check_readable("authorities", authorities)
        try:
            context.load_verify_locations(cafile=authorities)
        except (ssl.SSLError, OSError) as error:
            raise TlsFileError("authorities", authorities, "no PEM certificates") from error
    elif verify:
        context.load_default_certs()
    return context


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996 forbids what came before
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION


def _check_readable(part: Part, path: str) -> None:
    try:
        Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise TlsFileError(part, path, getattr(error, "strerror", None) or str(error)) from error
