"""The content view `sluice` of mitmproxy's interfaces: the story of a flow, stage by stage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mitmproxy import contentviews, flow, http

from proxy.inspector.addon import STORY
from proxy.inspector.text import lines

Line = list[tuple[str, str | bytes]]


class StoryView(contentviews.View):
    """Shown for any message of a flow that went through the chain."""

    name = "sluice"

    def __call__(
        self,
        data: bytes,
        *,
        content_type: str | None = None,
        flow: flow.Flow | None = None,
        http_message: http.Message | None = None,
        **unknown_metadata: Any,
    ) -> tuple[str, Iterator[Line]]:
        document = flow.metadata.get(STORY) if flow is not None else None
        if document is None:
            return "sluice", iter([[("text", "This flow did not go through the chain.")]])
        return "sluice", (_styled(line) for line in lines(document))


def _styled(line: str) -> Line:
    text = line.strip()
    if not line.startswith(" "):
        return [("header", line)]
    if text.startswith(("-", "failed")):
        return [("error", line)]
    return [("highlight" if text.startswith(("+", "wrote")) else "text", line)]
