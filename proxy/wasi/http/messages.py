"""The requests and responses of wasi:http/types, and their bodies, as resources."""

from __future__ import annotations

import asyncio
from typing import Any

from proxy.errors import Failure, ProxyError
from proxy.exchange import Body, Request, Response
from proxy.http.fields import Fields
from proxy.wasi.http.bodies import INCOMPLETE_REQUEST, INCOMPLETE_RESPONSE, BodyInput, BodyOutput
from proxy.wasi.http.errors import error_code
from proxy.wasi.http.fields import GuestFields, visible
from proxy.wasi.waiting import Job

AGAIN = ("err", None)
"""Of functions that give something once, called again."""


class IncomingBody:
    def __init__(self, input: BodyInput) -> None:
        self.input = input
        self._given = False

    def stream(self) -> tuple[str, Any]:
        if self._given:
            return AGAIN
        self._given = True
        return "ok", self.input


class FutureTrailers:
    """Ready when the whole body has come."""

    def __init__(self, job: Job[Fields | None]) -> None:
        self.job = job
        self._given = False

    def pending(self) -> asyncio.Future[Any] | None:
        return self.job.pending()

    def get(self) -> object:
        if self.pending() is not None:
            return None
        if self._given:
            return AGAIN
        self._given = True
        try:
            trailers = self.job.result()
        except ProxyError as error:
            return "ok", ("err", error_code(error))
        return "ok", ("ok", None if trailers is None else GuestFields(visible(trailers), mutable=False))


class Incoming:
    """A message that came in: `consume` gives its body once."""

    def __init__(self, body: Body) -> None:
        self.input = BodyInput(body)
        self._consumed = False

    def consume(self) -> tuple[str, Any]:
        if self._consumed:
            return AGAIN
        self._consumed = True
        return "ok", IncomingBody(self.input)


class IncomingRequest(Incoming):
    def __init__(self, request: Request) -> None:
        super().__init__(request.body)
        self.request = request
        self.headers = GuestFields(visible(request.fields), mutable=False, request=request)


class IncomingResponse(Incoming):
    def __init__(self, response: Response) -> None:
        super().__init__(response.body)
        self.status = response.status
        self.headers = GuestFields(visible(response.fields), mutable=False)


class Outgoing:
    """A message that goes out: `body` gives what its body is written to, once."""

    incomplete: Failure

    def __init__(self, headers: GuestFields) -> None:
        headers.mutable = False
        self.headers = headers
        self.output: BodyOutput | None = None

    def body(self, *, sent: bool = True) -> tuple[str, Any]:
        if self.output is not None:
            return AGAIN
        self.output = BodyOutput(self._length(), sent=sent, incomplete=self.incomplete)
        return "ok", self.output

    def content(self) -> Body:
        """The body as those who send the message want it."""
        return b"" if self.output is None else self.output.pipe

    def _length(self) -> int | None:
        said = self.headers.fields.get(b"content-length")
        return int(said) if said is not None and said.isdigit() else None


class OutgoingResponse(Outgoing):
    incomplete = INCOMPLETE_RESPONSE

    def __init__(self, headers: GuestFields) -> None:
        super().__init__(headers)
        self.status = 200


class OutgoingRequest(Outgoing):
    incomplete = INCOMPLETE_REQUEST

    def __init__(self, headers: GuestFields) -> None:
        super().__init__(headers)
        self.method = "GET"
        self.target: str | None = None
        self.scheme: tuple[str, Any] | None = None
        self.authority: str | None = None


class FutureResponse:
    """Ready when the response's head is there, or will never be."""

    def __init__(self, job: Job[IncomingResponse]) -> None:
        self.job = job
        self._given = False

    def pending(self) -> asyncio.Future[Any] | None:
        return self.job.pending()

    def get(self) -> object:
        if self.pending() is not None:
            return None
        if self._given:
            return AGAIN
        self._given = True
        try:
            return "ok", ("ok", self.job.result())
        except ProxyError as error:
            return "ok", ("err", error_code(error))
