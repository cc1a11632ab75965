"""The story of an exchange as data for JSON, with what follows from it: what would make a request a hit, and what is
better avoided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import unified_diff
from typing import Any

from proxy.cache.advice import advice
from proxy.exchange import Exchange, Response
from proxy.exchange.observation import Observation, text
from proxy.exchange.story import CacheStory, EndStory, FilterStory, Head, Sample, StageStory, StepStory, head_of

Document = dict[str, Any]

LONGEST, WIDEST = 200, 400
"""Lines of a diff, and characters of each, that are shown."""


def story(
    asked: Head, exchange: Exchange, response: Response, size: int, failure: tuple[str, str] | None = None
) -> Document:
    """Of an exchange with a trace, when it is over. asked: the request as it came. size: bytes of the response's body.
    failure: how the body broke, if it did."""
    method, _, url = asked[0].partition(" ")
    failed = failure or exchange.failure
    stages = exchange.trace or []
    return {
        "request": {"method": method, "url": url, "headers": list(asked[1:])},
        "route": exchange.route or None,
        "stages": [_document(stage, exchange.cache_status) for stage in stages],
        "response": {"status": response.status, "headers": list(head_of(response)[1:]), "bytes": size},
        "failure": None if failed is None else {"type": failed[0], "detail": failed[1]},
        "warnings": list(warnings(stages)),
    }


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
                "body": None
                if stage.body is None
                else {"read": stage.body[0].size, "wrote": stage.body[1].size, "diff": _body_diff(*stage.body)},
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


def _body_diff(read: Sample, wrote: Sample) -> list[str]:
    """Line by line, where both are text; of the beginning, where they are long."""
    before, after = bytes(read.data), bytes(wrote.data)
    if before == after or b"\0" in before or b"\0" in after:
        return []
    lines = unified_diff(text(before).splitlines(), text(after).splitlines(), n=1, lineterm="")
    shown = [line[:WIDEST] for line in lines if not line.startswith(("---", "+++"))]
    return shown[:LONGEST] + (["…"] if len(shown) > LONGEST else [])


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
