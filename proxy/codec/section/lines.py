"""What a line of a section has to be before it is sent."""

from __future__ import annotations

from proxy import errors
from proxy.errors import ProxyError
from proxy.http.fields import Line
from proxy.http.syntax import is_field_value, is_token


def check(line: Line) -> None:
    """Raises ProxyError (proxy_internal_error) when no message may have it (RFC 9113 §8.2, RFC 9114 §4.2)."""
    name, value = line
    if not is_field_value(value) or not is_token(name.removeprefix(b":")) or name != name.lower():
        raise ProxyError(errors.PROXY_INTERNAL_ERROR, f"a stage made a field {name!r} that no message may have")
