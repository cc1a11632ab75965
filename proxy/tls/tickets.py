"""Session tickets (RFC 5077, RFC 8446 §4.6.1) that all workers can open.

OpenSSL makes a key for tickets for each SSL_CTX by itself, once: a client that comes back to another worker, or after a
reload, has to shake hands in full, and the key lasts as long as the process. Python's ssl has no function to say with
what tickets are sealed, OpenSSL 3 has (SSL_CTX_set_tlsext_ticket_key_evp_cb(3)). The SSL_CTX is what the object of an
SSLContext has first; that is so in the versions named here, and of others nothing is assumed.
"""

from __future__ import annotations

import _ssl
import asyncio
import ctypes
import secrets
import ssl
import sys
from ctypes import c_char_p, c_int, c_long, c_size_t, c_uint, c_void_p
from functools import cache
from time import monotonic
from typing import Any

from proxy.tls.ticket_keys import TicketKeys

KNOWN = ((3, 11), (3, 12), (3, 13), (3, 14))
"""Versions of CPython that were looked at, and run."""

KEYS = TicketKeys(secrets.token_bytes(32), monotonic())
"""Of this process and those it forks."""

_SET_KEYS = 59
"""SSL_CTRL_SET_TLSEXT_TICKET_KEYS of openssl/ssl.h."""

_OWN_LENGTH = 80
"""Of the keys that OpenSSL has made for itself."""

_NAME = 16
"""Of a key's LENGTH; the rest is for AES and HMAC."""

_UNKNOWN, _OPENED, _RENEW, _FAILED = 0, 1, 2, -1
"""What the callback says: no session; here it is; and a new ticket with it; no handshake."""

_Callback = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_int)


class _Param(ctypes.Structure):
    """OSSL_PARAM(3)."""

    _fields_ = (
        ("key", c_char_p), ("data_type", c_uint), ("data", c_char_p), ("data_size", c_size_t), ("return_size", c_size_t)
    )  # fmt: skip


_UTF8, _OCTETS = 4, 5
"""Types of such a parameter."""


def share(context: ssl.SSLContext, scope: bytes) -> bool:
    """Have the tickets of this context opened by all of the same scope, in all processes that this module's process
    forks, with keys that change with time. Who may resume a session is not verified again: contexts of a scope ask the
    same of their clients. Returns False, and has done nothing, where it is not known how."""
    if (library := _library()) is None:
        return False
    at = c_void_p.from_address(id(context) + object.__basicsize__).value
    if library.SSL_CTX_ctrl(at, _SET_KEYS, 0, None) != _OWN_LENGTH:  # asked without keys, it says how long they are
        return False
    return bool(library.SSL_CTX_set_tlsext_ticket_key_evp_cb(at, _callback(scope)) == 1)


async def forget_in_time() -> None:
    """Drop keys when their time is over, though nobody shakes hands."""
    while True:
        left = KEYS.advance(monotonic())
        await asyncio.sleep(left)


@cache  # OpenSSL may call it for as long as there is a connection that has begun with a context
def _callback(scope: bytes) -> Any:
    library = _library()
    assert library is not None
    cipher = library.EVP_aes_256_cbc()

    def use(_: int, name: int, iv: int, cipher_state: int, mac_state: int, sealing: int) -> int:
        """name, iv: where the ticket has them, to be written or read."""
        keys = KEYS.of(scope, monotonic())
        if sealing:
            key, begin, outcome = keys[0], library.EVP_EncryptInit_ex, _OPENED
            ctypes.memmove(name, key, _NAME)
            ctypes.memmove(iv, secrets.token_bytes(16), 16)
        else:
            asked = ctypes.string_at(name, _NAME)
            found = [position for position, each in enumerate(keys) if each[:_NAME] == asked]
            if not found:
                return _UNKNOWN
            key, begin = keys[found[0]], library.EVP_DecryptInit_ex
            outcome = _RENEW if found[0] else _OPENED
        aes, hmac = key[_NAME : _NAME + 32], key[_NAME + 32 :]
        done = begin(cipher_state, cipher, None, aes, iv) == 1
        return outcome if done and library.EVP_MAC_CTX_set_params(mac_state, _hmac(hmac)) == 1 else _FAILED

    return _Callback(use)


def _hmac(key: bytes) -> ctypes.Array[_Param]:
    """HMAC with SHA-256."""
    return (_Param * 3)(
        _Param(b"key", _OCTETS, key, len(key)), _Param(b"digest", _UTF8, b"SHA256", len("SHA256")), _Param(None)
    )


@cache
def _library() -> ctypes.CDLL | None:
    """The very OpenSSL that Python's ssl is linked with."""
    if sys.implementation.name != "cpython" or sys.version_info[:2] not in KNOWN:
        return None
    try:
        library = ctypes.CDLL(_ssl.__file__)  # a name is looked for in what it depends on, too
        library.OpenSSL_version.argtypes, library.OpenSSL_version.restype = (c_int,), c_char_p
        if library.OpenSSL_version(0).decode() != ssl.OPENSSL_VERSION:
            return None
        library.SSL_CTX_ctrl.argtypes, library.SSL_CTX_ctrl.restype = (c_void_p, c_int, c_long, c_char_p), c_long
        library.SSL_CTX_set_tlsext_ticket_key_evp_cb.argtypes = (c_void_p, _Callback)
        library.EVP_aes_256_cbc.restype = c_void_p
        for begin in (library.EVP_EncryptInit_ex, library.EVP_DecryptInit_ex):
            begin.argtypes = (c_void_p, c_void_p, c_void_p, c_char_p, c_void_p)
        library.EVP_MAC_CTX_set_params.argtypes = (c_void_p, ctypes.POINTER(_Param))
    except (AttributeError, OSError):  # linked into Python itself, or before OpenSSL 3
        return None
    return library
