"""The grammar of names and values (RFC 9110 §5, RFC 3986), as predicates on bytes and text."""

from __future__ import annotations

import re

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FIELD_VALUE = re.compile(rb"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
_PATH = re.compile(r"/[!$%&'()*+,\-./0-9:;=@A-Z_a-z~\[\]|^`{}\"<>\\]*")
_QUERY = re.compile(r"[!$%&'()*+,\-./0-9:;=?@A-Z_a-z~\[\]|^`{}\"<>\\]*")
_AUTHORITY = re.compile(r"(?:[0-9a-z\-._~%!$&'()*+,;=]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


def is_token(name: bytes) -> bool:
    """RFC 9110 §5.6.2: what methods and field names are made of."""
    return _TOKEN.fullmatch(name) is not None


def is_field_value(value: bytes) -> bool:
    """RFC 9110 §5.5: no control character but an inner tab, no space at the ends."""
    return _FIELD_VALUE.fullmatch(value) is not None


def is_path(path: str) -> bool:
    """An absolute path in printable ASCII, without query and fragment. RFC 3986 §3.3 and, as every browser and
    server in use, the few characters beyond it that cannot be mistaken for a delimiter of the request line."""
    return _PATH.fullmatch(path) is not None


def is_query(query: str) -> bool:
    """RFC 3986 §3.4, with the same leniency as `is_path`."""
    return _QUERY.fullmatch(query) is not None


def is_authority(authority: str) -> bool:
    """RFC 9110 §7.2: lower-case host, optional port; no user information."""
    return _AUTHORITY.fullmatch(authority) is not None
