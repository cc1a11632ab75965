"""Untrusted text in a log line: one door, so that no byte of a request can end a line or start another."""

from __future__ import annotations

from json.encoder import encode_basestring_ascii as json_string

__all__ = ["json_string", "quoted", "without_del"]


def quoted(value: str) -> str:
    r"""The text as a JSON string, quotes included, printable ASCII only.

    Control characters, DEL and everything beyond ASCII come out as `\u` escapes: such text can neither break a
    line nor steer the terminal of whoever reads it (CWE-117, CWE-150).
    """
    return without_del(json_string(value))


def without_del(line: str) -> str:
    """JSON lets DEL stand in a string as it is. A line of many strings made by `json_string` (which escapes all
    other control characters) is relieved of it once, at the end: half the price of doing it for each."""
    # Looking is four times as quick as replacing nothing.
    return line.replace("\x7f", "\\u007f") if "\x7f" in line else line
