"""Certificates for tests: an authority of their own, and what it signs."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import trustme

from proxy.tls import KeyPair


@cache
def authority() -> trustme.CA:
    """The same for all tests: a key takes a while to make."""
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@dataclass
class Files:
    """Where a certificate lies."""

    certificate: Path
    key: Path

    @property
    def pair(self) -> KeyPair:
        return KeyPair(self.certificate, self.key)

    @property
    def option(self) -> dict[str, str]:
        return {"certificate": str(self.certificate), "key": str(self.key)}


def issue(directory: Path, *names: str, name: str = "", ca: trustme.CA | None = None) -> Files:
    """A certificate for these names, in files called after `name`, or the first."""
    made = (ca or authority()).issue_cert(*names, key_type=trustme.KeyType.ECDSA)
    stem = (name or names[0]).replace("*", "star").replace(":", "_")
    files = Files(directory / f"{stem}.pem", directory / f"{stem}.key")
    files.certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    files.key.write_bytes(made.private_key_pem.bytes())
    return files


def client_context(*protocols: str) -> ssl.SSLContext:
    """A client's, that trusts the authority."""
    context = ssl.create_default_context()
    authority().configure_trust(context)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context
