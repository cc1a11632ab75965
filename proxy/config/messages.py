"""What pydantic found, in the words of the file."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from proxy.config.errors import Finding, Path, did_you_mean, quoted
from proxy.config.model import STAGES
from proxy.config.schema import options

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def finding(error: ErrorDetails, known: Callable[[Path], list[str]] = options) -> Finding:
    """`known`: the options of the mapping at a path."""
    path = path_of(error["loc"])
    if error["type"] == "extra_forbidden":
        return Finding(path, _unknown_option(path, known(path[:-1])), key=True)
    explain = _MESSAGES.get(error["type"])
    message = explain(path, error) if explain else error["msg"]
    return Finding(path, message, key="[key]" in error["loc"])


def path_of(loc: tuple[str | int, ...]) -> Path:
    """Where in the file: without what pydantic adds, the kind of a stage and marks in brackets."""
    steps = tuple(step for step in loc if step not in ("[key]", "[name]", "[grant]", "[url]", "[endpoint]"))
    in_stage = len(steps) > 4 and steps[0] == "routes" and steps[2] == "chain"
    return steps[:4] + steps[5:] if in_stage else steps


def _kind(value: Any) -> str:
    match value:
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case None:
            return "nothing"
        case _:
            return "text"


def _expected(what: str) -> Callable[[Path, ErrorDetails], str]:
    return lambda _, error: f"expected {what}, not {_kind(error['input'])}"


def _unknown_option(path: Path, known: list[str]) -> str:
    if set(STAGES) <= set(known):
        return f"a stage is one of {', '.join(STAGES)}, and nothing beside it; begin the next stage with -"
    return "unknown option" + (did_you_mean(str(path[-1]), known) or f"; there are {', '.join(known)}")


def _unknown_stage(_: Path, error: ErrorDetails) -> str:
    written = error["input"]
    if not isinstance(written, dict) or not written:
        return f"expected a stage, one of {', '.join(STAGES)}, not {_kind(written)}"
    key = str(next(iter(written)))
    return f"{quoted(key)} is not a stage" + (did_you_mean(key, STAGES) or f"; there are {', '.join(STAGES)}")


def _choice(_: Path, error: ErrorDetails) -> str:
    choices: str = error["ctx"]["expected"].replace("'", "")
    written = error["input"]
    hint = did_you_mean(written, re.split(", | or ", choices)) if isinstance(written, str) else ""
    return f"expected {choices}{hint}"


_MESSAGES: dict[str, Callable[[Path, ErrorDetails], str]] = {
    "missing": lambda _path, _error: "is required",
    "stage": _unknown_stage,
    "literal_error": _choice,
    "value_error": lambda _, error: str(error["ctx"]["error"]),
    "string_type": _expected("text"),
    "path_type": _expected("the path of a file"),
    "model_type": _expected("a mapping"),
    "dict_type": _expected("a mapping"),
    "list_type": _expected("a list"),
    "bool_type": _expected("true or false"),
    "bool_parsing": lambda _path, _error: "expected true or false",
    "int_type": _expected("a whole number"),
    "int_parsing": _expected("a whole number"),
    "int_from_float": lambda _path, _error: "expected a whole number",
    "greater_than_equal": lambda _, error: f"must be at least {error['ctx']['ge']}",
    "less_than_equal": lambda _, error: f"must be at most {error['ctx']['le']}",
    "too_short": lambda _path, _error: "must not be empty",
    "string_too_short": lambda _path, _error: "must not be empty",
}
