"""A step of a filter in words, for those who asked for the story of an exchange."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import perf_counter_ns
from typing import Final

from proxy.exchange import Response
from proxy.exchange.observation import Observation, Value
from proxy.exchange.story import StepStory
from proxy.sluice.edits import Edit
from proxy.sluice.steps import Step

FAILED: Final = object()
"""In place of the result of a step that has none."""

Edited = tuple[Iterable[Edit], Iterable[Edit]]
"""Of the request, and of the response."""


def told(
    step: Step,
    result: object,
    reads: Mapping[Observation, Value],
    edited: Edited,
    started: int,
    *,
    remembered: bool,
) -> StepStory:
    """started: of `perf_counter_ns`."""
    request, response = edited
    return StepStory(
        step.name,
        _verdict(result),
        remembered,
        (perf_counter_ns() - started) // 1000,
        list(reads.items()),
        [_in_words("request", edit) for edit in request] + [_in_words("response", edit) for edit in response],
    )


def _verdict(result: object) -> str:
    if result is FAILED:
        return "failed"
    match result:
        case Response(status=status):
            return f"reply {status}"
        case bool():
            return "transforms the body" if result else "leaves the body alone"
        case _:
            return "next"


def _in_words(message: str, edit: Edit) -> str:
    words = [part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part) for part in edit.arguments]
    return f"{message}: {edit.name} {' '.join(words)}"
