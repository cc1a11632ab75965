"""Session tickets (RFC 5077, RFC 8446 §4.6.1) that all workers can open.

OpenSSL makes keys for tickets for each SSL_CTX by itself, so a client that comes back to another worker, or after a
reload, has to shake hands in full. Python's ssl has no function to set them. The SSL_CTX is what the object of an
SSLContext has first; that is so in the versions named here, and of others nothing is assumed.
"""

from __future__ import annotations

import _ssl
import ctypes
import hashlib
import secrets
import ssl
import sys
from functools import cache

KNOWN = ((3, 11), (3, 12), (3, 13), (3, 14))
"""Versions of CPython that were looked at, and run."""

_SECRET = secrets.token_bytes(32)
"""Of this process and those it forks."""

_GET_KEYS, _SET_KEYS = 58, 59
"""SSL_CTRL_GET_TLSEXT_TICKET_KEYS and SSL_CTRL_SET_TLSEXT_TICKET_KEYS of openssl/ssl.h."""

_LENGTH = 80
"""Of a key's name, and of the keys of HMAC and AES, together: since OpenSSL 1.1.1."""


def share(context: ssl.SSLContext, scope: bytes) -> bool:
    """Have the tickets of this context opened by all of the same scope, in all processes that this module's process
    forks. Who may resume a session is not verified again: contexts of a scope ask the same of their clients. Returns
    False, and has done nothing, where it is not known how."""
    if (control := _control()) is None:
        return False
    at = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
    if control(at, _SET_KEYS, 0, None) != _LENGTH:  # asked without keys, it says how long they are
        return False
    keys = hashlib.shake_256(_SECRET + scope).digest(_LENGTH)
    kept = ctypes.create_string_buffer(_LENGTH)
    done: bool = control(at, _SET_KEYS, _LENGTH, keys) == control(at, _GET_KEYS, _LENGTH, kept) == 1
    return done and kept.raw == keys


@cache
def _control() -> ctypes._NamedFuncPointer | None:
    """SSL_CTX_ctrl of the very OpenSSL that Python's ssl is linked with."""
    if sys.implementation.name != "cpython" or sys.version_info[:2] not in KNOWN:
        return None
    try:
        library = ctypes.CDLL(_ssl.__file__)  # a name is looked for in what it depends on, too
        version, control = library.OpenSSL_version, library.SSL_CTX_ctrl
    except (AttributeError, OSError):  # linked into Python itself
        return None
    version.argtypes, version.restype = (ctypes.c_int,), ctypes.c_char_p
    if version(0).decode() != ssl.OPENSSL_VERSION:
        return None
    control.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p)
    control.restype = ctypes.c_long
    return control
