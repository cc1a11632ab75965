"""Endpoints of the admin listener that look at exchanges of the running proxy, whichever worker they are in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from proxy.admin import Endpoint, respond_json, respond_text
from proxy.exchange import Request, Response, collect
from proxy.http.fields import Fields
from proxy.server.dashboard import added_up
from proxy.server.explain import BadQuestion, question
from proxy.server.operations import Workers
from proxy.server.recorder import Wanted
from proxy.server.recordings import Recordings
from proxy.telemetry import SECRET

LARGEST_QUESTION = 64 * 1024


def endpoints(workers: Workers, recordings: Recordings) -> Mapping[str, Endpoint]:
    async def explain(request: Request) -> Response:
        try:
            asked = json.loads(await collect(request.body, LARGEST_QUESTION))
            order: dict[str, Any] = {
                "method": str(asked["method"]),
                "url": str(asked["url"]),
                "headers": [*map(str, asked["headers"])],
            }
            question(order["method"], order["url"], order["headers"])
        except (ValueError, TypeError, KeyError) as error:
            reason = str(error) if isinstance(error, BadQuestion) else 'say {"method": …, "url": …, "headers": […]}'
            return respond_text(400, f"{reason}\n")
        answers = await workers.ask({"do": "explain", **order}, one=True)
        return respond_json(200, answers[0][1]["story"]) if answers else respond_text(503, "no worker answers\n")

    async def record(request: Request) -> Response:
        try:
            wanted = _wanted(parse_qs(request.query or ""))
        except ValueError as error:
            return respond_text(400, f"{error}\n")
        return Response(200, Fields([(b"content-type", b"application/x-ndjson")]), await recordings.listen(wanted))

    async def dashboard(_: Request) -> Response:
        answers = [answer for _, answer in await workers.ask({"do": "dashboard"})]
        return respond_json(200, added_up(answers)) if answers else respond_text(503, "no worker answers\n")

    return {
        "/dashboard.json": Endpoint("what the dashboard shows", dashboard),
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
