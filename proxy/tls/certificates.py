"""Certificates of listeners, and which one a client gets."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from cryptography import x509

VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


class CertificateError(Exception):
    """A file is missing or is not what it should be. option: whose file it is."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate with its chain and its key, both in PEM."""

    certificate: Path
    key: Path

    def names(self) -> list[str]:
        """The host names it is good for, in lower case."""
        found = _first(self.certificate)
        try:
            names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return []
        return [name.lower() for name in names.get_values_for_type(x509.DNSName)]

    def expires(self) -> datetime:
        return _first(self.certificate).not_valid_after_utc


def _first(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0]
    except OSError as error:
        raise CertificateError("certificate", f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise CertificateError("certificate", f"{path}: holds no certificate in PEM") from error


def server_context(
    pairs: Sequence[KeyPair],
    protocols: Sequence[str],
    *,
    min_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    client_ca: Path | None = None,
    client_optional: bool = False,
) -> ssl.SSLContext:
    """Gives each client the first certificate that has the name it asks for, and the first of all to one that asks for
    no such name. protocols: for ALPN, the one we prefer first. client_ca: PEM of authorities, one of which has
    to vouch for each client; client_optional: which may also show no certificate. Raises CertificateError."""
    contexts = [_context(pair, protocols, min_version) for pair in pairs]
    if client_ca is not None:
        for context in contexts:  # OpenSSL takes the mode from the first, and the authorities from the one it chose
            trust(context, client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL if client_optional else ssl.CERT_REQUIRED
    if len(pairs) > 1:
        choose = _ByName(zip(pairs, contexts, strict=True))
        contexts[0].sni_callback = choose
    return contexts[0]


def _context(pair: KeyPair, protocols: Sequence[str], min_version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = min_version
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(list(protocols))
    load_pair(context, pair)
    return context


def trust(context: ssl.SSLContext, ca: Path) -> None:
    """Certificates that lead to those in this file, in PEM. Raises CertificateError."""
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as error:
        raise CertificateError("ca", f"{ca}: holds no certificate in PEM") from error
    except OSError as error:
        raise CertificateError("ca", f"{ca}: {error.strerror}") from error


def load_pair(context: ssl.SSLContext, pair: KeyPair) -> None:
    """Have it say that this is who we are. Raises CertificateError."""
    _first(pair.certificate)
    try:
        context.load_cert_chain(pair.certificate, pair.key, partial(_no_password, pair.key))
    except ssl.SSLError as error:
        raise CertificateError("key", _why(pair, error)) from error
    except OSError as error:
        raise CertificateError("key", f"{pair.key}: {error.strerror}") from error


def _no_password(key: Path) -> str:
    raise CertificateError("key", f"{key}: is encrypted, and nobody is there to ask for its password")


def _why(pair: KeyPair, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{pair.key}: is not the key of {pair.certificate}"
    return f"{pair.key}: holds no private key in PEM that can be used ({error.reason or error})"


class _ByName:
    """What OpenSSL asks when a client has said which name it wants."""

    def __init__(self, contexts: Iterable[tuple[KeyPair, ssl.SSLContext]]) -> None:
        self._contexts: dict[str, ssl.SSLContext] = {}
        for pair, context in contexts:
            for name in pair.names():
                self._contexts.setdefault(name, context)

    def __call__(self, tls: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        if name is None:
            return
        name = name.lower()
        # RFC 6125 §6.4.3: a star stands for one label, the first.
        chosen = self._contexts.get(name) or self._contexts.get("*." + name.partition(".")[2])
        if chosen is not None and chosen is not context:
            tls.context = chosen
