"""Access log lines with chosen fields, and without what is secret."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote_plus

from proxy.exchange import Request, Response
from proxy.http.fields import Fields
from proxy.http.query import Names
from proxy.telemetry.access_log import Format, json_line
from proxy.telemetry.quoting import json_string, without_del

REDACTED = "[redacted]"

SECRET = frozenset(("authorization", "cookie", "proxy-authorization", "set-cookie"))
"""Fields whose values are nobody else's business."""


def selected(fields: Sequence[str] | None, request_headers: Sequence[str], response_headers: Sequence[str]) -> Format:
    """A format of JSON objects. fields: of `json_line`, all when None. The headers chosen are in `request` and
    `response`, by name, null where there is none."""

    def line(request: Request, response: Response, sent: int, complete: bool, seconds: float) -> str:
        whole: dict[str, Any] = json.loads(json_line(request, response, sent, complete, seconds))
        chosen = whole if fields is None else {name: whole[name] for name in fields if name in whole}
        parts = [f"{json_string(name)}:{_dumped(value)}" for name, value in chosen.items()]
        for part, names, lines in (
            ("request", request_headers, request.fields),
            ("response", response_headers, response.fields),
        ):
            if names:
                told = ",".join([f"{json_string(name)}:{_value(name, lines)}" for name in names])
                parts.append(f'"{part}":{{{told}}}')
        return without_del(f"{{{','.join(parts)}}}\n")

    return line


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _value(name: str, fields: Fields) -> str:
    value = fields.get(name.encode())
    if value is None:
        return "null"
    return json_string(REDACTED if name in SECRET else value.decode("utf-8", "replace"))


def hiding(line: Format, params: Names) -> Format:
    """The format without the values of these parameters of the query, and without the query of the referer."""

    def hidden(request: Request, response: Response, sent: int, complete: bool, seconds: float) -> str:
        shown = request.copy()
        if request.query is not None:
            shown.query = "&".join([_hidden(pair, params) for pair in request.query.split("&")])
        referer = shown.fields.get(b"referer")
        if referer is not None:
            shown.fields.set(b"referer", referer.partition(b"?")[0])
        return line(shown, response, sent, complete, seconds)

    return hidden


def _hidden(pair: str, params: Names) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={REDACTED}" if equals and unquote_plus(name) in params else pair
