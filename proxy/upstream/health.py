"""Whether an endpoint is to be used: decisions only, `now` is an argument.

Two judges. *Active* checks ask the endpoint by themselves; *passive* ejection looks at how requests fare. Who is found
unhealthy by either gets no requests. Times are seconds of any clock that does not go back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

NEVER = float("-inf")

SLOWEST_START = 0.1
"""The share that an endpoint begins with, as a part of its weight."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Results of active checks in a row, until an endpoint that is up is down, and one that is down is up again."""

    unhealthy: int = 3
    healthy: int = 2


@dataclass(frozen=True, slots=True)
class Ejection:
    """When an endpoint is left out for how its requests fare.

    failures: requests in a row that got no answer. errors: answers in a row with a status of 500 or more; None does not
    count them. first, longest: seconds; each ejection is twice as long as the one before. share: of the endpoints, that
    may be out of use before this ejects no more.
    """

    failures: int = 5
    errors: int | None = None
    first: float = 30.0
    longest: float = 300.0
    share: float = 0.5


class State(Enum):
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    """Its active checks fail."""
    EJECTED = "ejected"
    """Its requests failed, and it is left out for a while."""


class Health:
    """What is known of one endpoint.

    It is taken for healthy until something says otherwise; its first check alone decides. An endpoint that comes back
    from an ejection is on probation: one more failure before a success ejects it again.
    """

    __slots__ = (
        "_against", "_checked", "_length", "_passing", "ejected_until", "ejections", "errors", "failures", "since",
    )  # fmt: skip

    def __init__(self, since: float = NEVER) -> None:
        """since: when it was added, for its slow start; NEVER when it has none."""
        self.since = since
        self.failures = 0
        self.errors = 0
        self.ejected_until = NEVER
        self.ejections = 0
        self._length = 0.0  # of the last ejection
        self._passing = True
        self._checked = False
        self._against = 0  # results in a row that say the opposite of _passing

    def state(self, now: float) -> State:
        if not self._passing:
            return State.UNHEALTHY
        return State.EJECTED if now < self.ejected_until else State.HEALTHY

    def factor(self, now: float, window: float) -> float:
        """The part of its weight that it gets: less than all for `window` seconds after it was added or came back."""
        began = max(self.since, self.ejected_until)
        if not window or now >= began + window:
            return 1.0
        return max(SLOWEST_START, (now - began) / window)

    # What happens to it.

    def checked(self, passed: bool, thresholds: Thresholds, now: float) -> None:
        """An active check ended."""
        if passed is self._passing:
            self._against = 0
        else:
            self._against += 1
            needed = thresholds.healthy if passed else thresholds.unhealthy
            if self._against >= needed or not self._checked:
                self._passing = passed
                self._against = 0
                if passed:
                    self.since = now
        self._checked = True

    def succeeded(self) -> None:
        """A request was answered with a status below 500."""
        self.failures = self.errors = 0

    def erred(self) -> None:
        """A request was answered with a status of 500 or more."""
        self.failures = 0
        self.errors += 1

    def failed(self) -> None:
        """A request got no answer, or not all of one."""
        self.failures += 1

    def due(self, policy: Ejection, now: float) -> bool:
        """It has failed often enough to be ejected, and is not yet."""
        if now < self.ejected_until:
            return False
        return self.failures >= policy.failures or (policy.errors is not None and self.errors >= policy.errors)

    def eject(self, policy: Ejection, now: float) -> None:
        if now - self.ejected_until >= self._length:  # it behaved for as long as it had been out
            self.ejections = 0
        self._length = min(policy.first * 2.0**self.ejections, policy.longest)
        self.ejections += 1
        self.ejected_until = now + self._length
        self.failures = policy.failures - 1
        self.errors = 0 if policy.errors is None else policy.errors - 1


def may_eject(unusable: int, members: int, share: float) -> bool:
    """Whether one more may be left out. unusable: of the members, for whatever reason. Never all of them."""
    return unusable + 1 <= members * share and unusable + 1 < members
