"""`sluice explain`: one request through a configuration's chain, told stage by stage.

The caches begin empty and are this process's own; filters run and the origin is asked, as they would be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import time
from typing import Any
from urllib.parse import urlsplit

from proxy.chain import Entry
from proxy.config.loader import ConfigFile
from proxy.exchange import Exchange, Request, Response
from proxy.http.fields import Fields
from proxy.http.syntax import is_authority, is_field_value, is_path, is_query, is_token
from proxy.sandbox import Engine
from proxy.server.assemble import Lasting, assemble
from proxy.telemetry import Metrics


class BadQuestion(ValueError):
    """What was asked is not a request. The text says why."""


@dataclass(frozen=True, slots=True)
class Story:
    """stages: what each told, outermost first."""

    request: Request
    route: str
    stages: list[dict[str, Any]]
    response: Response


def question(method: str, url: str, headers: Sequence[str]) -> Request:
    """The request that a URL and `name: value` lines describe. Raises BadQuestion."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise BadQuestion(f"{url!r} is not a URL: {error}") from None
    authority, path = parts.netloc.lower(), parts.path or "/"
    query = parts.query if "?" in url else None
    if parts.scheme not in ("http", "https") or not is_authority(authority):
        raise BadQuestion(f"{url!r} is not a URL such as http://127.0.0.1:8080/path")
    if not is_token(method.encode()) or not is_path(path) or (query is not None and not is_query(query)):
        raise BadQuestion(f"{method} {url!r} has characters that no request line can have; percent-encode them")
    fields = Fields()
    for header in headers:
        name, colon, value = header.partition(":")
        key, encoded = name.strip().lower().encode(), value.strip().encode()
        if not colon or not is_token(key) or not is_field_value(encoded):
            raise BadQuestion(f"{header!r} is not a header such as 'accept-language: en'")
        if key == b"host":
            authority = value.strip().lower()
            if not is_authority(authority):
                raise BadQuestion(f"{value.strip()!r} is not a host with an optional port")
        else:
            fields.append(key, encoded)
    request = Request(method, parts.scheme, authority, path, query, fields, Exchange("explain", started=time()))
    request.exchange.trace = []
    return request


async def explain(file: ConfigFile, engine: Engine, request: Request) -> Story:
    """Send the request through its chain. Raises ConfigErrors when there is none."""
    assembly = assemble(file, Lasting(engine, Metrics(), time))
    try:
        response = await Entry(assembly.routes)(request)
        if not isinstance(response.body, bytes):
            while await response.body.read():
                pass
            response.body.close()
    finally:
        assembly.close()
    trace = request.exchange.trace or []
    return Story(request, request.exchange.route, trace[::-1], response)
