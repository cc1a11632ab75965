"""`respond`: answers with a fixed response, without asking anybody."""

from __future__ import annotations

from collections.abc import Iterable

from proxy.chain.stage import Below
from proxy.exchange import Request, Response
from proxy.exchange.story import EndStory
from proxy.http.fields import Fields, Line

_NO_CONTENT = frozenset((204, 304))


class Respond:
    """fields: lower-case names; `content-length` is set here, from the body."""

    def __init__(self, status: int, fields: Iterable[Line] = (), body: bytes = b"") -> None:
        self._status = status
        self._fields = Fields(fields)
        self._body = b"" if status in _NO_CONTENT else body
        self._fields.remove(b"content-length")
        if status not in _NO_CONTENT:  # RFC 9110 §8.6
            self._fields.append(b"content-length", b"%d" % len(body))

    async def __call__(self, request: Request, below: Below) -> Response:
        if request.exchange.trace is not None:
            request.exchange.trace.append(EndStory("respond", "", self._status))
        body = b"" if request.method == "HEAD" else self._body
        return Response(self._status, self._fields.copy(), body)
