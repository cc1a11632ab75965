"""What no line of a head may have in it (RFC 9110 §5.5): it would become another field, or another message."""

from __future__ import annotations

from proxy import errors
from proxy.errors import ProxyError


def check(lines: list[bytes]) -> None:
    """Raises ProxyError (proxy_internal_error)."""
    text = b"".join(lines)
    if text.find(b"\r") >= 0 or text.find(b"\n") >= 0 or text.find(b"\0") >= 0:
        raise ProxyError(errors.PROXY_INTERNAL_ERROR, "a stage made a line that has CR, LF or NUL in it")
