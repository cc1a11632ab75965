"""Endpoints of the admin listener that look at exchanges of the running proxy."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from proxy.admin import Endpoint, respond_json, respond_text
from proxy.chain import Handler
from proxy.exchange import Request, Response, collect
from proxy.http.fields import Fields
from proxy.server.explain import BadQuestion, followed, question
from proxy.server.recorder import Recorder, Wanted
from proxy.telemetry import SECRET

LARGEST_QUESTION = 64 * 1024


def endpoints(handler: Handler, recorder: Recorder, dashboard: Callable[[], dict[str, Any]]) -> Mapping[str, Endpoint]:
    """handler: answers requests as the proxy's listeners do. dashboard: what that page shows."""

    async def explain(request: Request) -> Response:
        try:
            asked = json.loads(await collect(request.body, LARGEST_QUESTION))
            put = question(str(asked["method"]), str(asked["url"]), [str(header) for header in asked["headers"]])
        except (ValueError, TypeError, KeyError) as error:
            reason = str(error) if isinstance(error, BadQuestion) else 'say {"method": …, "url": …, "headers": […]}'
            return respond_text(400, f"{reason}\n")
        return respond_json(200, await followed(handler, put))

    def record(request: Request) -> Response:
        try:
            wanted = _wanted(parse_qs(request.query or ""))
        except ValueError as error:
            return respond_text(400, f"{error}\n")
        return Response(200, Fields([(b"content-type", b"application/x-ndjson")]), recorder.listen(wanted))

    return {
        "/dashboard.json": Endpoint("what the dashboard shows", lambda _: respond_json(200, dashboard())),
        "/explain": Endpoint("POST a request to have its story told", explain, ("POST",)),
        "/record": Endpoint("exchanges from now on, as JSON: ?share=0.1&route=…&reveal=cookie", record, ("GET",)),
    }


def _wanted(query: dict[str, list[Any]]) -> Wanted:
    share = float(query.get("share", ["1"])[0])
    if not 0 < share <= 1:
        raise ValueError("share is more than 0, and 1 at most")
    hidden = (SECRET | {name.lower() for name in query.get("hide", ())}) - {
        name.lower() for name in query.get("reveal", ())
    }
    return Wanted(share, query.get("route", [None])[0], frozenset(hidden))
