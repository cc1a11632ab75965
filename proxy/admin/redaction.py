"""The configuration without its secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping

REDACTED = "[redacted]"

_SECRET_KEY = re.compile(
    r"token|secret|passw|passphrase|credential|private|authorization|cookie|(^|[_-])(api)?[_-]?keys?$", re.IGNORECASE
)
_USERINFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def redacted(value: object) -> object:
    """A copy of JSON-like data in which whatever stands under a key that sounds like a secret is REDACTED, as is
    the user information of URLs. A key too many is no harm here, one too few is."""
    if isinstance(value, Mapping):
        return {
            key: REDACTED if _SECRET_KEY.search(str(key)) and _holds_text(item) else redacted(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted(item) for item in value]
    if isinstance(value, str):
        return _USERINFO.sub(REDACTED, value)
    return value


def _holds_text(value: object) -> bool:
    """Empty values and switches hide nothing, and it helps to see them."""
    return value is not None and not isinstance(value, bool) and value not in ("", [], {})
