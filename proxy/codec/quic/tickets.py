"""Session tickets (RFC 8446 §4.6.1) that hold the session themselves, sealed: whoever has the keys can go on with it.

aioquic's own are names of sessions, for a store that workers would have to share. What is sealed is bound to the name
the client asked for, so that it is shown the same certificates again, or none. They offer no early data.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from aioquic._buffer import Buffer
from aioquic.tls import CipherSuite, NewSessionTicket, SessionTicket, push_new_session_ticket
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

Keys = Callable[[], Sequence[bytes]]
"""What is sealed with now, and what else is opened. Each: a name, and what AES-SIV takes."""

NAME = 16
"""Bytes of a key's name, with which its tickets begin."""

LIFETIME = 12 * 3600
"""Seconds that a client may keep a ticket."""

_STATE = struct.Struct("!HII")
"""Cipher suite, and seconds since the epoch from and until when it is good; then the secret."""

_ROOM = 512
"""Bytes, more than a message with a ticket has."""


def issue(tls: Any, name: str, keys: Keys) -> bytes:
    """The message with a ticket for the session of a server's aioquic.tls.Context whose handshake is done."""
    key = keys()[0]
    offer = NewSessionTicket(ticket_lifetime=LIFETIME, ticket_nonce=b"")
    session = tls._build_session_ticket(offer, [])
    since, until = int(session.not_valid_before.timestamp()), int(session.not_valid_after.timestamp())
    state = _STATE.pack(session.cipher_suite, since, until) + session.resumption_secret
    sealed = AESSIV(key[NAME:]).encrypt(state, [name.encode()])  # the same secret is never sealed twice
    # What the client adds to the age that it tells, for nobody to recognise it by: nobody here looks at that.
    age_add = int.from_bytes(AESSIV(key[NAME:]).encrypt(sealed, [b"age"])[:4], "big")
    message = Buffer(capacity=_ROOM)
    push_new_session_ticket(message, replace(offer, ticket=key[:NAME] + sealed, ticket_age_add=age_add))
    return message.data


def opened(ticket: bytes, name: str, keys: Keys) -> SessionTicket | None:
    """The session, if one of the keys opens it, and it is of a client that asked for this name."""
    key = next((each for each in keys() if each[:NAME] == ticket[:NAME]), None)
    if key is None:
        return None
    try:
        state = AESSIV(key[NAME:]).decrypt(ticket[NAME:], [name.encode()])
    except (InvalidTag, ValueError):
        return None
    suite, since, until = _STATE.unpack_from(state)
    return SessionTicket(
        age_add=0,
        cipher_suite=CipherSuite(suite),
        not_valid_before=datetime.fromtimestamp(since, UTC),
        not_valid_after=datetime.fromtimestamp(until, UTC),
        resumption_secret=state[_STATE.size :],
        server_name=name,
        ticket=ticket,
    )
