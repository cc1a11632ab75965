"""The story of an exchange as data for JSON, with what follows from it: what would make a request a hit, and what is
better avoided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import unified_diff
from typing import Any

from proxy.cache.advice import advice
from proxy.exchange.observation import Observation, text
from proxy.exchange.story import CacheStory, EndStory, FilterStory, Head, StageStory, StepStory

Document = dict[str, Any]


def documents(stages: Sequence[StageStory], cache_status: Sequence[str]) -> list[Document]:
    """Each stage, outermost first. cache_status: the exchange's, for caches that told no more than that."""
    return [_document(stage, cache_status) for stage in stages]


def _document(stage: StageStory, cache_status: Sequence[str]) -> Document:
    match stage:
        case FilterStory():
            return {
                "stage": "filter",
                "name": stage.name,
                "steps": [_step(step) for step in stage.steps],
                "microseconds": sum(step.microseconds for step in stage.steps) + stage.body_microseconds,
                "request_diff": _diff(stage.request),
                "response_diff": _diff(stage.response),
                "body": None if stage.body is None else {"read": stage.body[0].size, "wrote": stage.body[1].size},
                "log": [{"level": level, "message": message} for level, message in stage.log],
                "failure": stage.failure or None,
            }
        case CacheStory():
            outcome = stage.outcome or next((m for m in cache_status if m.partition(";")[0] == stage.name), "")
            return {
                "stage": "cache",
                "name": stage.name,
                "key": stage.key,
                "outcome": outcome,
                "reason": stage.reason if "; fwd=" in outcome else "",
                "variants": stage.variants,
                "selecting": [
                    _read(o, value.decode("utf-8", "replace") if isinstance(value, bytes) else value)
                    for o, value in stage.selecting
                ],
                "advice": advice(outcome),
            }
        case EndStory():
            return {
                "stage": stage.stage,
                "name": stage.name,
                "status": stage.status,
                "microseconds": stage.microseconds,
                "request": list(stage.request),
            }


def _step(step: StepStory) -> Document:
    return {
        "step": step.step,
        "verdict": step.verdict,
        "remembered": step.remembered,
        "microseconds": step.microseconds,
        "read": [_read(observation, value) for observation, value in step.read],
        "wrote": step.wrote,
    }


def _read(observation: Observation, value: object) -> Document:
    return {"accessor": observation[0], "argument": observation[1], "value": value}


def _diff(heads: tuple[Head, Head] | None) -> list[str]:
    """Lines that went with -, lines that came with +; nothing when all is as it was."""
    if heads is None or heads[0] == heads[1]:
        return []
    lines = unified_diff(heads[0], heads[1], n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def body_diff(stage: FilterStory) -> list[str]:
    """The body before and after a filter, line by line, where it is text and changed; else a line about its size."""
    if stage.body is None:
        return []
    before, after = (bytes(sample.data) for sample in stage.body)
    if before == after:
        return ["unchanged"]
    if b"\0" in before[:1024] or b"\0" in after[:1024]:
        return [f"{stage.body[0].size} bytes became {stage.body[1].size}"]
    lines = unified_diff(text(before).splitlines(), text(after).splitlines(), n=2, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++"))]


_TELLING: dict[Observation, str] = {
    ("headers", ""): "reads all headers",
    ("client-address", ""): "reads the address of the client",
    ("header", "cookie"): "reads the whole of Cookie",
    ("header", "user-agent"): "reads the whole of User-Agent",
    ("header", "x-request-id"): "reads the id of the request",
}
"""Reads whose value is another one for almost every client."""


def warnings(stages: Sequence[StageStory]) -> Iterator[str]:
    """What in this story makes caches useless."""
    for at, stage in enumerate(stages):
        if not isinstance(stage, FilterStory):
            continue
        caches = [above.name for above in stages[:at] if isinstance(above, CacheStory)]
        reads = dict.fromkeys(observation for step in stage.steps for observation, _ in step.read)
        for observation in reads:
            if caches and observation in _TELLING:
                yield useless(stage.name, _TELLING[observation], caches)


def useless(filter: str, does: str, caches: Sequence[str]) -> str:
    named = " and ".join(f"`{name}`" for name in caches)
    above = f"cache {named} above it" if len(caches) == 1 else f"caches {named} above it"
    return f"filter {filter} {does}, so {above} can share nothing between clients that differ in it"
