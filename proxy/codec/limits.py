"""How much of a message a codec takes in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes. request_line: else 414. field_section (of the head, and again of the trailers) and
    field_lines (how many): else 431. body: of a request, without transfer coding, None for any: else 413."""

    request_line: int = 8 * 1024
    field_section: int = 32 * 1024
    field_lines: int = 100
    body: int | None = None
