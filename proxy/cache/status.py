"""Members of the Cache-Status field (RFC 9211)."""

from __future__ import annotations

import re
from enum import Enum

from proxy.http.fields import Fields

_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~:/0-9A-Za-z]*")


class Forward(Enum):
    """Why a request went below (RFC 9211 §2.2)."""

    BYPASS = "bypass"
    METHOD = "method"
    URI_MISS = "uri-miss"
    VARY_MISS = "vary-miss"
    REQUEST = "request"
    STALE = "stale"


def label(name: str) -> str:
    """A cache's name as an sf-token, or an sf-string where it is none (RFC 9211 §2)."""
    if _TOKEN.fullmatch(name):
        return name
    printable = "".join(c if " " <= c <= "~" else "?" for c in name)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'


def forwarded(
    label: str,
    why: Forward,
    *,
    status: int | None = None,
    stored: bool = False,
    collapsed: bool = False,
    ttl: int | None = None,
    detail: str | None = None,
) -> str:
    """The member of a request that no stored response answered by itself. status: the next hop's, where it is not
    the one passed on. stored: it is, or will be when the body has ended well. ttl: seconds it is still fresh.
    detail: a token."""
    parameters = (
        f"; fwd-status={status}" if status is not None else "",
        "; stored" if stored else "",
        "; collapsed" if collapsed else "",
        f"; ttl={ttl}" if ttl is not None else "",
        f"; detail={detail}" if detail is not None else "",
    )
    return f"{label}; fwd={why.value}{''.join(parameters)}"


def add(fields: Fields, member: str) -> None:
    """Put a member last: nearest to the client (RFC 9211 §2)."""
    before = fields.get(b"cache-status")
    own = member.encode()
    fields.set(b"cache-status", own if before is None else before + b", " + own)
