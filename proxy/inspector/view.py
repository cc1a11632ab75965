"""The content view `sluice` of mitmproxy's interfaces: the story of a flow, stage by stage."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, cast

from mitmproxy import contentviews, flow

from proxy.inspector.addon import STORY
from proxy.inspector.text import lines

Line = list[tuple[str, str | bytes]]


@cache
def register() -> None:
    """Have mitmproxy show it. mitmproxy keeps its views for the process."""
    # Its two kinds of views are not of one type.
    cast(Any, contentviews).add(StoryView())


class StoryView:
    """Shown for any message of a flow that went through the chain. A view for mitmproxy 12, which asks for `prettify`,
    and for 11, which calls it."""

    name = "sluice"
    syntax_highlight = "none"

    def prettify(self, data: bytes, metadata: Any) -> str:
        return "\n".join(_told(metadata.flow))

    def __call__(
        self, data: bytes, *, flow: flow.Flow | None = None, **unknown_metadata: Any
    ) -> tuple[str, Iterator[Line]]:
        return self.name, (_styled(line) for line in _told(flow))

    def render_priority(self, data: bytes, *args: Any, **kwargs: Any) -> float:
        """As any other's that has no particular content in mind."""
        return 0

    def __lt__(self, other: Any) -> bool:
        return bool(self.name < other.name)


def _told(flow: flow.Flow | None) -> list[str]:
    document = flow.metadata.get(STORY) if flow is not None else None
    return list(lines(document)) if document is not None else ["This flow did not go through the chain."]


def _styled(line: str) -> Line:
    text = line.strip()
    if not line.startswith(" "):
        return [("header", line)]
    if text.startswith(("-", "failed")):
        return [("error", line)]
    return [("highlight" if text.startswith(("+", "wrote")) else "text", line)]
