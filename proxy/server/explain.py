"""`sluice explain`: one request through a configuration's chain, told stage by stage.

Filters run and the origin is asked, as they would be for any other request.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import time
from urllib.parse import urlsplit

from proxy.chain import Entry, Handler
from proxy.config.loader import ConfigFile
from proxy.errors import ProxyError
from proxy.exchange import Exchange, Request, Response
from proxy.exchange.story import head_of, url_of
from proxy.http.fields import Fields
from proxy.http.syntax import is_authority, is_field_value, is_path, is_query, is_token
from proxy.inspector.document import Document, story
from proxy.sandbox import Engine
from proxy.server.assemble import Lasting, assemble
from proxy.telemetry import Metrics


class BadQuestion(ValueError):
    """What was asked is not a request. The text says why."""


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
    return Request(method, parts.scheme, authority, path, query, fields, Exchange("explain", started=time()))


def question_of(request: Request) -> dict[str, object]:
    """What `question` makes the request of again."""
    lines = [f"{name.decode()}: {value.decode('utf-8', 'replace')}" for name, value in request.fields.lines]
    return {"method": request.method, "url": url_of(request), "headers": lines}


async def explain(file: ConfigFile, engine: Engine, request: Request) -> Document:
    """Send the request through its chain, with caches of this process alone, which begin empty. Raises ConfigErrors."""
    assembly = assemble(file, Lasting(engine, Metrics(), time))
    try:
        return await followed(Entry(assembly.routes), request)
    finally:
        assembly.close()


async def followed(handler: Handler, request: Request) -> Document:
    """What the request met on its way through this chain; the response's body is read to its end."""
    request.exchange.trace = []
    asked = head_of(request)
    response = await handler(request)
    size, failure = await _drained(response)
    return story(asked, request.exchange, response, size, failure)


async def _drained(response: Response) -> tuple[int, tuple[str, str] | None]:
    """Bytes of the body, and how it broke, if it did."""
    if isinstance(response.body, bytes):
        return len(response.body), None
    size = 0
    try:
        while chunk := await response.body.read():
            size += len(chunk)
    except ProxyError as error:
        return size, (error.failure.type, error.detail)
    finally:
        response.body.close()
    return size, None
