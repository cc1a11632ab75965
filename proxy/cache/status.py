"""What a cache says of an answer: members of the Cache-Status field (RFC 9211), and Age."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from proxy.cache.policy import Refusal
from proxy.http.fields import Fields, FixedLines, Line

_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~:/0-9A-Za-z]*")


class Forward(Enum):
    """Why a request went below (RFC 9211 §2.2)."""

    BYPASS = "bypass"
    METHOD = "method"
    URI_MISS = "uri-miss"
    VARY_MISS = "vary-miss"
    REQUEST = "request"
    STALE = "stale"
    PARTIAL = "partial"


def label(name: str) -> str:
    """A cache's name as an sf-token, or an sf-string where it is none (RFC 9211 §2)."""
    if _TOKEN.fullmatch(name):
        return name
    printable = "".join(c if " " <= c <= "~" else "?" for c in name)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'


def hit(label: str, ttl: int) -> str:
    """The member of a request that was answered from the store. ttl: seconds it is still fresh."""
    return f"{label}; hit; ttl={ttl}"


class Said(NamedTuple):
    """What a fresh entry is answered with: the same to all within a second. age and ttl in seconds. member: of
    Cache-Status. lines: all of the answer's."""

    age: int
    ttl: int
    member: str
    lines: FixedLines


def say(lines: list[Line], label: str, age: int, ttl: int) -> Said:
    """lines: as stored."""
    member = hit(label, ttl)
    return Said(age, ttl, member, FixedLines([*lines, age_line(age), (b"cache-status", member.encode())]))


def age_line(age: int) -> Line:
    return b"age", b"%d" % max(age, 0)  # a clock may be set back


def collapsed(label: str, why: Forward, ttl: int) -> str:
    """Of a request that waited for another one's answer."""
    return f"{label}; fwd={why.value}; collapsed; ttl={ttl}"


def unstored(label: str, why: Forward, detail: str | None = None, *, status: int | None = None) -> str:
    """Of a request that went below, with no thought of storing. detail: a token. status: see `forwarded`."""
    fwd_status = f"; fwd-status={status}" if status is not None else ""
    return f"{label}; fwd={why.value}{fwd_status}" + (f"; detail={detail}" if detail is not None else "")


def forwarded(
    label: str, why: Forward, refusal: Refusal | None, *, status: int | None = None, ttl: int | None = None
) -> str:
    """Of a request that went below to fill the store. refusal: why what came is not stored; None says that it is,
    or will be when its body has ended well. status: the next hop's, where it is not the one passed on."""
    fwd_status = f"; fwd-status={status}" if status is not None else ""
    if refusal is not None:
        return f"{label}; fwd={why.value}{fwd_status}; detail={refusal.value}"
    return f"{label}; fwd={why.value}{fwd_status}; stored" + (f"; ttl={ttl}" if ttl is not None else "")


def add(fields: Fields, member: str) -> None:
    """Put a member last: nearest to the client (RFC 9211 §2)."""
    before = fields.get(b"cache-status")
    own = member.encode()
    fields.set(b"cache-status", own if before is None else before + b", " + own)
