"""Who we are to clients of QUIC: certificates, and what else they can tell us by."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from aioquic.quic.configuration import QuicConfiguration
from aioquic.tls import load_pem_private_key, load_pem_x509_certificates

from proxy.codec.quic.tickets import Keys

ALPN = "h3"

CID_LENGTH = 10
"""Bytes of the connection IDs that we choose: two say which worker it is, the others are random."""

RESET_TOKEN = 16
"""Bytes of a stateless reset token (RFC 9000 §10.3)."""

STREAM_WINDOW = 256 * 1024
"""Bytes of one stream that are taken in before somebody has read any of it."""

WINDOW = 1024 * 1024
"""The same for all streams of a connection together."""

DATAGRAM = 1350
"""Bytes of the largest UDP payload sent: what fits into IPv6 and a tunnel or two. Larger is not tried (RFC 8899)."""


@dataclass(frozen=True, slots=True, eq=False)
class Credential:
    """names: of the certificate, lower case."""

    names: Collection[str]
    certificate: Any
    chain: Sequence[Any]
    key: Any

    @classmethod
    def of(cls, names: Collection[str], certificate: bytes, key: bytes) -> Credential:
        """From PEM. Raises ValueError."""
        first, *chain = load_pem_x509_certificates(certificate)
        return cls(names, first, chain, load_pem_private_key(key))


class Identity:
    """A client gets the first credential that has the name it asks for, and the first of all when none has it.

    secret: what tokens are made with. Made of a private key it is the same in every worker, and after a restart: each
    can tell a client that a connection is gone which it has never known (RFC 9000 §10.3.2).
    """

    def __init__(
        self, credentials: Sequence[Credential], secret: bytes, idle: float, ticket_keys: Keys | None = None
    ) -> None:
        """idle: seconds without a packet after which a connection is dropped. ticket_keys: for session tickets; None:
        there are none."""
        self._first = credentials[0]
        self._by_name: dict[str, Credential] = {}
        for credential in credentials:
            for name in credential.names:
                self._by_name.setdefault(name, credential)
        self._secret = hmac.digest(secret, b"sluicegate quic", hashlib.sha256)
        self.idle = idle
        self.ticket_keys = ticket_keys
        self.configuration = QuicConfiguration(
            is_client=False,
            alpn_protocols=[ALPN],
            connection_id_length=CID_LENGTH,
            idle_timeout=idle,
            max_data=WINDOW,
            max_stream_data=STREAM_WINDOW,
            max_datagram_size=DATAGRAM,
            certificate=self._first.certificate,
            certificate_chain=list(self._first.chain),
            private_key=self._first.key,
        )

    def named(self, name: str | None) -> Credential:
        """RFC 6125 §6.4.3: a star stands for one label, the first."""
        name = (name or "").lower()
        return self._by_name.get(name) or self._by_name.get("*." + name.partition(".")[2]) or self._first

    def reset_token(self, cid: bytes) -> bytes:
        return self.seal(b"reset", cid)

    def seal(self, purpose: bytes, data: bytes) -> bytes:
        """16 bytes that nobody else can make of the data."""
        return hmac.digest(self._secret, purpose + b"\0" + data, hashlib.sha256)[:RESET_TOKEN]
