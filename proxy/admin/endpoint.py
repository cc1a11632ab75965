"""What an endpoint of the admin listener is."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from proxy.exchange import Request, Response
from proxy.http.fields import Fields

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """about: one line for the list of endpoints, or "" for none. answer: is given requests with one of the methods.
    open: tells nothing that needs a token."""

    about: str
    answer: Callable[[Request], Response | Awaitable[Response]]
    methods: tuple[str, ...] = ("GET", "HEAD")
    open: bool = False


def respond(status: int, content_type: str, body: bytes) -> Response:
    fields = Fields([(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(body))])
    return Response(status, fields, body)


def respond_text(status: int, text: str) -> Response:
    return respond(status, TEXT, text.encode())


def respond_json(status: int, data: object) -> Response:
    return respond(status, JSON, json.dumps(data, indent=2).encode() + b"\n")
