"""Reason phrases (RFC 9110 §15). They carry no meaning; people read them in traces."""

from __future__ import annotations

from http import HTTPStatus

REASONS = {status.value: status.phrase for status in HTTPStatus}


def reason(status: int) -> str:
    """The usual phrase of a status, "" for one without."""
    return REASONS.get(status, "")
