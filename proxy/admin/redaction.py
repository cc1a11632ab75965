"""The configuration without its secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping

REDACTED = "[redacted]"

_SECRET_KEY = re.compile(
    r"token|secret|passw|passphrase|credential|private|authorization|cookie|(^|[_-])(api)?[_-]?keys?$", re.IGNORECASE
)
_USERINFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def redacted(config: Mapping[str, object]) -> dict[str, object]:
    """A copy of a JSON-like configuration in which whatever stands under a key that sounds like a secret is
    REDACTED, as is the user information of URLs. A key too many is no harm here, one too few is."""
    return {
        # The keys in there are names that somebody gave, such as that of a filter "api-key".
        key: {name: _redacted(each) for name, each in part.items()}
        if key in ("filters", "upstreams") and isinstance(part, Mapping)
        else _redacted_item(key, part)
        for key, part in config.items()
    }


def _redacted(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _redacted_item(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(item) for item in value]
    if isinstance(value, str):
        return _USERINFO.sub(REDACTED, value)
    return value


def _redacted_item(key: str, item: object) -> object:
    return REDACTED if _SECRET_KEY.search(key) and _holds_text(item) else _redacted(item)


def _holds_text(value: object) -> bool:
    """Empty values and switches hide nothing, and it helps to see them."""
    return value is not None and not isinstance(value, bool) and value not in ("", [], {})
