"""A handling: one exchange in the hands of a component."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxy import errors
from proxy.chain.stage import Below
from proxy.errors import ProxyError
from proxy.exchange import Request, Response
from proxy.wasi.http.errors import ErrorCode, failure
from proxy.wasi.http.visit import MAX_SUBREQUESTS, Client, Visit, too_many_subrequests
from proxy.wasi.p3.http.bodies import Outgoing
from proxy.wasi.p3.http.messages import GuestRequest, GuestResponse
from proxy.wasi.p3.streams import CHUNK

MAX_ASKED = 4 * MAX_SUBREQUESTS
"""How often one exchange may ask, what is refused included, before its guest is stopped."""


class TooMuchAsked(Exception):
    """The guest does not take no for an answer."""


class Handling(Visit):
    """What an instance's data is. `below`: the rest of the chain, for a middleware; None for a service."""

    def __init__(
        self, request: Request, client: Client, output: Callable[[str, str], None], below: Below | None
    ) -> None:
        super().__init__(request, client, output)
        self._below = below
        self._passed = False
        self._asked = 0
        self.body: Outgoing | None = None
        """What the component writes, once it has answered; not a body from below that it hands on as it came."""

    @property
    def untouched(self) -> bool:
        """Whether the stages below can still answer as if this component were not there."""
        return not self._passed and isinstance(self.request.body, bytes)

    def close(self) -> None:
        super().close()
        self.body = None  # which knows of the instance, and that of this

    def asks(self) -> None:
        """Others. Each answer gives a guest its time anew, a refusal too: so there must not be any number of them."""
        self._asked += 1
        if self._asked > MAX_ASKED:
            raise TooMuchAsked(f"it asked others more than {MAX_ASKED} times")

    async def pass_down(self, request: GuestRequest) -> Response:
        self.subrequests += 1
        if self.subrequests > MAX_SUBREQUESTS:
            raise too_many_subrequests()
        return await request.timeouts.of(self._answer(request))

    async def _answer(self, request: GuestRequest) -> Response:
        if self._below is None:
            raise ProxyError(errors.DESTINATION_NOT_FOUND, "there is nothing below a service")
        self._passed = True
        return await self._below(request.request(self.request))

    async def ask(self, request: GuestRequest) -> Response:
        return await self.client.send(self, request.request(self.request), request.timeouts)

    def given(self, outcome: tuple[str, Any]) -> Response | ErrorCode:
        """What the component answers with, when it does: it goes on, and writes the body, if it is its own."""
        case, given = outcome
        if case == "err":
            code: ErrorCode = given
            return code
        assert isinstance(given, GuestResponse)
        response = given.response(sent=self.has_content(given.status))
        body = response.body
        if isinstance(body, Outgoing) and body.transmitted is given.transmitted:
            self.body = body
            body.begin()
        return response

    def answered(self, answer: Response | ErrorCode) -> Response:
        """What goes on of what was given. Raises ProxyError when that is an error."""
        if not isinstance(answer, Response):
            raise failure(answer)
        if self.body is not None:
            whole = self.body.whole(CHUNK)
            if whole is not None:
                answer.body, self.body = whole, None
        return answer

    def unwanted(self) -> None:
        """Nobody wants the answer any more."""
        if self.body is not None:
            self.body.close()
