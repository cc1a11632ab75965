"""How an entry is written down, but for its body: JSON, so that reading it can do nothing but fail."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any
from zlib import crc32

from proxy.cache.disk_body import FileBody
from proxy.cache.entry import Entry
from proxy.cache.key import Key
from proxy.cache.policy import Terms

_FIELDS = tuple(field.name for field in fields(Entry) if field.init and field.name != "body")

FORMAT = crc32(repr((_FIELDS, [field.name for field in fields(Terms)], 2)).encode()) & 0x7FFFFFFF
"""What was written in another is not read."""


def pack(entry: Entry) -> bytes:
    record = {name: getattr(entry, name) for name in _FIELDS}
    record["terms"] = asdict(entry.terms)
    return packed(record)


def packed(value: object) -> bytes:
    """Text, bytes, numbers, None, and sequences and mappings of them."""
    return json.dumps(value, default=_bytes, separators=(",", ":")).encode()


def _bytes(value: object) -> object:
    if isinstance(value, bytes):
        return {"": value.decode("latin-1")}
    raise TypeError(f"{type(value).__name__} cannot be written down")


def unpack(data: bytes, body: bytes | FileBody) -> Entry:
    """ValueError or TypeError when it is none."""
    record = _restored(json.loads(data))
    record["lines"] = list(record["lines"])
    record["terms"] = Terms(**record["terms"])
    return Entry(body=body, **record)


def _restored(value: Any) -> Any:
    if isinstance(value, list):
        return tuple([_restored(each) for each in value])
    if isinstance(value, dict):
        if "" in value:
            return value[""].encode("latin-1")
        return {name: _restored(each) for name, each in value.items()}
    return value


def key_of(name: bytes) -> Key:
    """What `packed` made of a key."""
    scheme, authority, path, query = json.loads(name)
    return (scheme, authority, path, query)
