"""What a flight brings for those who wait for it, from the moment its head is there."""

from __future__ import annotations

from dataclasses import dataclass, field

from proxy.cache import key as keys
from proxy.cache.fill import Fill
from proxy.cache.key import Selecting, Values
from proxy.cache.policy import Terms
from proxy.cache.tee import Ask, Reader, Tee
from proxy.exchange import Request, Response
from proxy.exchange.observation import observed
from proxy.http import conditional
from proxy.http.fields import Fields, Line


@dataclass(slots=True)
class Offer:
    """A fresh response that may be stored, and is arriving.

    fill: the request it came for. selecting: what it depends on as far as is known, and values, what that is in the
    request it came for. lines: as a store would send them. now: when its head came.
    """

    fill: Fill
    response: Response
    terms: Terms
    now: float
    tee: Tee
    selecting: Selecting = field(init=False)
    values: Values = field(init=False)
    lines: list[Line] = field(init=False)

    def __post_init__(self) -> None:
        self._look()
        response, length = self.response, self.tee.length
        self.lines = self.fill.lines(response, length or 0, self.now)
        if length is None:
            self.lines = [line for line in self.lines if line[0] != b"content-length"]

    def _look(self) -> None:
        self.selecting = self.fill.selecting(self.response)
        self.values = keys.values(self.fill.request, self.selecting)

    @property
    def tags(self) -> tuple[str, ...]:
        return self.response.tags

    def fits(self, request: Request) -> bool:
        """Whether the stages below would have answered this request so as well, as far as is known."""
        if len(self.selecting) < len(self.fill.reads):
            self._look()
        return keys.is_repeatable(self.fill.reads) and keys.values(request, self.selecting) == self.values

    def answer(self, request: Request, ask: Ask) -> Response:
        """For a request that fits; without Age. It tells the caches above what the response depends on, now and as it
        arrives."""

        def agrees() -> bool:
            if not self.fits(request):
                return False
            for observation in keys.observations(self.selecting):
                observed(request, observation)
            return True

        agrees()
        if self.response.status == 200 and conditional.not_modified(request.fields, Fields(self.lines), self.now):
            return Response(304, Fields(conditional.without_content(self.lines)), b"", self.response.tags)
        body: Reader = self.tee.reader(ask, agrees)
        return Response(self.response.status, Fields(self.lines), body, self.response.tags)
