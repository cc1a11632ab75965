"""`Proxy-Status` (RFC 9209)."""

from __future__ import annotations

from typing import Final

from proxy.errors import ProxyError

PSEUDONYM: Final = "sluicegate"
"""What we call ourselves, here and in `Via` (RFC 9110 §7.6.3)."""


def proxy_status(error: ProxyError) -> bytes:
    """The member that tells of a failure (§2); the detail as an sf-string, printable ASCII (RFC 8941 §3.3.3)."""
    detail = "".join(c if " " <= c <= "~" else "?" for c in error.detail)
    detail = detail.replace("\\", "\\\\").replace('"', '\\"')
    return f'{PSEUDONYM}; error={error.failure.type}; details="{detail}"'.encode()
