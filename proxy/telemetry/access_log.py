"""One line for each exchange, as JSON or in the combined format."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

from proxy.exchange import Request, Response
from proxy.telemetry.quoting import json_string, without_del
from proxy.telemetry.sink import Sink

Format = Callable[[Request, Response, int, bool, float], str]
"""(request as it came, response as it was sent, bytes sent, sent completely, seconds it took) to a line."""


def json_line(request: Request, response: Response, sent: int, complete: bool, seconds: float) -> str:
    """A JSON object and a newline.

    Always: time (UTC, milliseconds), id, client, version (of HTTP), method, scheme, authority, target, status, bytes,
    complete, us (microseconds), route, referer and user_agent (null when absent). Where there are any: cache (the
    members of `Cache-Status`, innermost first), filters (microseconds by name), failure and detail (RFC 9209 type,
    and what happened).
    """
    exchange = request.exchange
    referer, agent = _referer_and_agent(request)
    milliseconds = int(exchange.started * 1000)
    line = (
        f'{{"time":"{_iso_second(milliseconds // 1000)}.{_THREE_DIGITS[milliseconds % 1000]}Z"'
        f',"id":{json_string(exchange.id)},"client":{json_string(exchange.client)},"version":"{exchange.version}"'
        f',"method":{json_string(request.method)},"scheme":"{request.scheme}","authority":{json_string(request.authority)},"target":{json_string(request.target)}'
        f',"status":{response.status},"bytes":{sent},"complete":{"true" if complete else "false"}'
        f',"us":{int(seconds * 1e6)},"route":{json_string(exchange.route)}'
        f',"referer":{_string_or(referer, "null")},"user_agent":{_string_or(agent, "null")}'
    )
    if exchange.cache_status:
        line += f',"cache":[{",".join(map(json_string, exchange.cache_status))}]'
    if exchange.spent:
        line += f',"filters":{{{",".join([f"{json_string(name)}:{us}" for name, us in exchange.spent.items()])}}}'
    if exchange.failure is not None:
        line += f',"failure":{json_string(exchange.failure[0])},"detail":{json_string(exchange.failure[1])}'
    return without_del(line + "}\n")


def combined_line(request: Request, response: Response, sent: int, complete: bool, seconds: float) -> str:
    """The combined format of Apache and nginx, and after it what it has no place for, as name=value:
    us, aborted=1 when the client did not get everything, cache, filters (microseconds by name), failure, id.
    """
    exchange = request.exchange
    referer, agent = _referer_and_agent(request)
    line = (
        f"{exchange.client} - - [{_combined_second(int(exchange.started))}]"
        f" {json_string(f'{request.method} {request.target} {_PROTOCOL[exchange.version]}')} {response.status} {sent}"
        f" {_string_or(referer, _ABSENT)} {_string_or(agent, _ABSENT)} us={int(seconds * 1e6)}"
    )
    if not complete:
        line += " aborted=1"
    if exchange.cache_status:
        line += f" cache={json_string(', '.join(exchange.cache_status))}"
    if exchange.spent:
        line += f" filters={json_string(','.join(f'{name}:{us}' for name, us in exchange.spent.items()))}"
    if exchange.failure is not None:
        line += f" failure={json_string(': '.join(exchange.failure))}"
    return without_del(f"{line} id={json_string(exchange.id)}\n")


_ABSENT = '"-"'

_PROTOCOL = {"1.0": "HTTP/1.0", "1.1": "HTTP/1.1", "2": "HTTP/2.0", "3": "HTTP/3.0"}
"""As nginx and Apache write them."""


class AccessLog:
    """Formats each finished exchange and hands the line to a sink. To be called once per exchange, at its end."""

    __slots__ = ("_format", "_sink")

    def __init__(self, sink: Sink, format: Format = json_line) -> None:
        self._sink = sink
        self._format = format

    def finished(self, request: Request, response: Response, sent: int, complete: bool, seconds: float) -> None:
        self._sink.write(self._format(request, response, sent, complete, seconds))


def _referer_and_agent(request: Request) -> tuple[bytes | None, bytes | None]:
    """Both fields in one pass; of repeated ones the last."""
    referer = agent = None
    for name, value in request.fields.lines:
        if name == b"user-agent":
            agent = value
        elif name == b"referer":
            referer = value
    return referer, agent


def _string_or(value: bytes | None, absent: str) -> str:
    return absent if value is None else json_string(value.decode("utf-8", "replace"))


_THREE_DIGITS = tuple(f"{n:03d}" for n in range(1000))


# Formatting a time costs more than the rest of a line, and a second has many lines.
@lru_cache(maxsize=16)
def _iso_second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


@lru_cache(maxsize=16)
def _combined_second(second: int) -> str:
    """Month names are English whatever the locale is."""
    t = time.gmtime(second)
    return f"{t.tm_mday:02d}/{_MONTHS[t.tm_mon - 1]}/{t.tm_year}:{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d} +0000"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
