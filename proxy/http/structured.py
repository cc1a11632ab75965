"""Structured fields (RFC 9651): the one door to the parser.

A bare item is `int`, `Decimal`, `str` (strings), `Token`, `bytes`, `bool`, a date or a display string.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from http_sf import StructuredFieldError, Token, parse

__all__ = ["Token", "dictionary"]


def dictionary(value: bytes) -> Mapping[str, Any] | None:
    """The members of a Dictionary without their parameters, an inner list as a list; None when it is not one."""
    try:
        members: Any = parse(value, tltype="dictionary")  # the type covers every kind of field
    except (StructuredFieldError, ValueError):
        return None
    return {name: [item for item, _ in bare] if isinstance(bare, list) else bare for name, (bare, _) in members.items()}
