"""From the text of a YAML scalar to its value: the core schema of YAML 1.2 (§10.3.2), not the one of 1.1.

So `on`, `no`, `12:30`, `0755`, `1_000` and `2026-01-31` are text. What a number would not keep as it was written
(leading zeros, infinities) stays text as well; JSON could not carry it either.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from proxy.config.errors import did_you_mean

Scalar = str | int | float | bool | None

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)", re.ASCII)
_RADIX = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_LONGEST_NUMBER = 100
_LONGEST_TEXT = 1 << 20

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<inner>[^{}]*)\}|\$\{")
_VARIABLE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?", re.ASCII | re.DOTALL)


def resolve(text: str) -> Scalar:
    """The value of a plain (unquoted) scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _LONGEST_NUMBER:
        return text
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _RADIX.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text


def substitute(text: str, environment: Mapping[str, str], read: Callable[[str], str]) -> str:
    """`text` with `${VAR}`, `${VAR:-default}` (when unset or empty) and `${file:PATH}` replaced; `$${` is `${`.

    What was put in is not looked at again. Raises ValueError, as `read` may.
    """

    room = _LONGEST_TEXT

    def bounded(match: re.Match[str]) -> str:
        nonlocal room
        found = replacement(match)
        room -= len(found)
        if room < 0:
            raise ValueError(f"is longer than {_LONGEST_TEXT} characters with what is put in")
        return found

    def replacement(match: re.Match[str]) -> str:
        inner = match["inner"]
        if match[0] == "$${":
            return "${"
        if inner is not None and inner.startswith("file:"):
            return read(inner.removeprefix("file:"))
        variable = _VARIABLE.fullmatch(inner or "")
        if variable is None:
            raise ValueError("expected ${VAR}, ${VAR:-default} or ${file:/path}; for the characters ${ write $${")
        name, default = variable.groups()
        if default is not None:
            return environment.get(name) or default
        if name not in environment:
            raise ValueError(f"the environment variable {name} is not set{did_you_mean(name, environment)}")
        return environment[name]

    return _REFERENCE.sub(bounded, text)
