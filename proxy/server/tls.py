"""TLS, from a configuration: certificates read, and what is wrong with them."""

from __future__ import annotations

import hashlib
import logging
import ssl
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from proxy.config import model
from proxy.config.errors import ConfigError
from proxy.config.loader import ConfigFile
from proxy.config.tls import ListenerTls, UpstreamTls
from proxy.downstream.service import PROTOCOLS
from proxy.tls import CertificateError, KeyPair, client_context, server_context, share, tickets
from proxy.tls.certificates import VERSIONS

if TYPE_CHECKING:
    from proxy.codec.quic.identity import Identity

logger = logging.getLogger(__name__)

Contexts = dict[int, ssl.SSLContext]
"""By the place of the listener in the file, for those that have TLS."""


def listener_contexts(file: ConfigFile, errors: list[ConfigError]) -> Contexts:
    """Certificates that have expired are logged: refusing them would take the others down with them."""
    contexts: Contexts = {}
    for index, listener in enumerate(file.config.listeners):
        if listener.tls is None:
            continue
        wrong = list(_wrong(file, index, listener.tls))
        errors += wrong
        if not wrong:
            contexts[index] = _context(listener.tls, listener.protocols, _pairs(listener.tls))
            share(contexts[index], _scope(listener.tls))
    return contexts


Identities = dict[int, "Identity"]
"""By the place of the listener in the file, for those that speak HTTP/3."""

SILENCE = 30.0
"""Seconds, at least, without a packet until a client of QUIC is taken to be gone: nothing else tells."""

MISSING = "h3 needs aioquic, which is not installed: pip install 'sluicegate[http3]'"


def listener_identities(file: ConfigFile, errors: list[ConfigError]) -> Identities:
    """After `listener_contexts`, which has said what is wrong with certificates."""
    identities: Identities = {}
    for index, listener in enumerate(file.config.listeners):
        if "h3" not in listener.protocols or listener.tls is None or errors:
            continue
        path = ("listeners", index, "protocols", listener.protocols.index("h3"))
        try:
            identities[index] = _identity(listener, listener.tls)
        except ImportError:
            errors.append(file.error(path, MISSING))
        except (OSError, ValueError) as error:
            errors.append(file.error(path, f"the certificates cannot be used with h3: {error}"))
    return identities


def _identity(listener: model.Listener, tls: ListenerTls) -> Identity:
    from proxy.codec.quic.identity import Credential, Identity  # where aioquic is not installed, h3 is not spoken

    pairs = _pairs(tls)
    credentials = [Credential.of(pair.names(), pair.certificate.read_bytes(), pair.key.read_bytes()) for pair in pairs]
    scope = b"quic" + _scope(tls)
    return Identity(
        credentials,
        pairs[0].key.read_bytes(),
        max(listener.idle_timeout, SILENCE),
        lambda: tickets.KEYS.of(scope, monotonic()),
    )


def _pairs(tls: ListenerTls) -> list[KeyPair]:
    return [KeyPair(each.certificate, each.key) for each in tls.certificates]


def _context(tls: ListenerTls, protocols: Collection[str], pairs: list[KeyPair]) -> ssl.SSLContext:
    spoken = [protocol for protocol in PROTOCOLS if protocol in protocols]
    return server_context(
        pairs,
        spoken,
        min_version=VERSIONS[tls.min_version],
        client_ca=tls.client_ca,
        client_optional=tls.verify_client == "optional",
    )


def _scope(tls: ListenerTls) -> bytes:
    """Changes with whatever a client is shown, or has to show."""
    files = [tls.client_ca, *(path for each in tls.certificates for path in (each.certificate, each.key))]
    return tls.model_dump_json().encode() + said_in(files)


def _wrong(file: ConfigFile, index: int, tls: ListenerTls) -> Iterator[ConfigError]:
    for position, pair in enumerate(_pairs(tls)):
        try:
            _context(tls, PROTOCOLS, [pair])
            expires = pair.expires()
            if expires < datetime.now(UTC):
                logger.warning("%s: expired on %s", pair.certificate, expires.date())
        except CertificateError as error:
            if error.option != "ca":
                path = ("listeners", index, "tls", "certificates", position, error.option)
                yield file.error(path, str(error))
            elif position == 0:
                yield file.error(("listeners", index, "tls", "client_ca"), str(error))


Clients = dict[str, ssl.SSLContext]
"""By the name of the upstream, for those that have endpoints with TLS."""


def upstream_contexts(file: ConfigFile, errors: list[ConfigError]) -> Clients:
    contexts: Clients = {}
    for name, upstream in file.config.upstreams.items():
        if any(each.url.secure for each in upstream.weighted):
            try:
                contexts[name] = _client_context(upstream.tls, upstream.protocol)
            except CertificateError as error:
                errors.append(file.error(("upstreams", name, "tls", error.option), str(error)))
    return contexts


def _client_context(tls: UpstreamTls, protocol: str) -> ssl.SSLContext:
    pair = None if tls.certificate is None or tls.key is None else KeyPair(tls.certificate, tls.key)
    version = VERSIONS[tls.min_version]
    return client_context([protocol], ca=tls.ca, pair=pair, verify=tls.verify, min_version=version)


def said_in(files: Iterable[Path | None]) -> bytes:
    """A digest of what they hold."""
    return hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files if path)).digest()
