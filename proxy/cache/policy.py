"""What RFC 9111 lets a shared cache store and reuse: pure functions, with the time as an argument.

Each decision has a name that says why. Times are seconds since the epoch, ages and lifetimes seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from proxy.http import dates
from proxy.http.cache_control import Directives, age_value, directives
from proxy.http.fields import Fields
from proxy.http.vary import selecting_fields

UNDERSTOOD = frozenset((
    *range(200, 207), *range(300, 306), 307, 308, *range(400, 418), 421, 422, 426, *range(500, 506),
))  # fmt: skip
"""The status codes of RFC 9110 §15: those we know the caching requirements of (§5.2.2.3)."""

HEURISTIC = frozenset((200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501))
"""Those that may be stored without explicit freshness (RFC 9110 §15.1)."""

HEURISTIC_SHARE = 0.1
HEURISTIC_LIMIT = 86400.0
"""Without explicit freshness: a tenth of the time since Last-Modified (RFC 9111 §4.2.2), at most a day."""


class Refusal(Enum):
    """Why a response is not stored; the value is the `detail` in Cache-Status."""

    METHOD = "method"
    STATUS = "status"
    PARTIAL = "partial"
    NO_STORE = "no-store"
    REQUEST_NO_STORE = "request-no-store"
    PRIVATE = "private"
    AUTHORIZATION = "authorization"
    SET_COOKIE = "set-cookie"
    VARY = "vary"
    NO_FRESHNESS = "no-freshness"
    UNREPEATABLE = "unrepeatable"
    READS = "reads"
    SIZE = "size"
    INCOMPLETE = "incomplete"
    INVALIDATED = "invalidated"


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a stored response may be used.

    born: when its age was 0 (§4.2.3). lifetime: how long it is fresh from then. validate: never without asking
    (`no-cache`). strict: never when stale, whatever the client accepts (§4.2.4).
    """

    born: float
    lifetime: float
    validate: bool
    strict: bool

    @property
    def fresh_until(self) -> float:
        """When it stops being usable without asking; 0, the epoch, when it never is."""
        return 0.0 if self.validate else self.born + self.lifetime


@dataclass(frozen=True, slots=True)
class Received:
    """A response to a GET, and what is needed to judge it. ttl: the lifetime to give it where it says nothing."""

    request: Fields
    status: int
    fields: Fields
    asked_at: float
    received_at: float
    ttl: float | None


def judge(received: Received) -> Terms | Refusal:
    """Whether a response may be stored (§3), and on what terms."""
    said = directives(received.fields)
    return _forbidden(received, said) or _terms(received, said)


def _forbidden(received: Received, said: Directives) -> Refusal | None:
    status, fields = received.status, received.fields
    if status == 206:
        return Refusal.PARTIAL
    if status == 304 or ("must-understand" in said and status not in UNDERSTOOD):  # §3, §5.2.2.3
        return Refusal.STATUS
    if "no-store" in said and "must-understand" not in said:  # §5.2.2.5; §5.2.2.3 lifts it
        return Refusal.NO_STORE
    if "no-store" in directives(received.request):  # §5.2.1.5
        return Refusal.REQUEST_NO_STORE
    if "private" in said:  # §5.2.2.7, and its last paragraph: with field names too
        return Refusal.PRIVATE
    shared = "public" in said or "s-maxage" in said
    if b"authorization" in received.request and not (shared or "must-revalidate" in said):  # §3.5
        return Refusal.AUTHORIZATION
    # Not in the RFC: most cookies are for one client, and most origins do not say so. They can say otherwise.
    if b"set-cookie" in fields and not shared:
        return Refusal.SET_COOKIE
    if selecting_fields(fields) is None:  # §4.1: nothing would ever match
        return Refusal.VARY
    if not (shared or _is_explicit(fields, said) or status in HEURISTIC):  # §3, last list
        return Refusal.STATUS
    return None


def _terms(received: Received, said: Directives) -> Terms | Refusal:
    age = initial_age(received)
    terms = Terms(
        born=received.received_at - age,
        lifetime=lifetime(received, said),
        validate="no-cache" in said,  # §5.2.2.4; with field names too, which is stricter than asked
        # §5.2.2.2, §5.2.2.8, and §5.2.2.10: s-maxage has the meaning of proxy-revalidate
        strict="must-revalidate" in said or "proxy-revalidate" in said or "s-maxage" in said,
    )
    if terms.fresh_until <= received.received_at and not _has_validator(received.fields):
        return Refusal.NO_FRESHNESS  # could neither be used as it is nor be validated
    return terms


def _is_explicit(fields: Fields, said: Directives) -> bool:
    return "s-maxage" in said or "max-age" in said or b"expires" in fields


def _has_validator(fields: Fields) -> bool:
    return b"etag" in fields or b"last-modified" in fields


def lifetime(received: Received, said: Directives) -> float:
    """Freshness lifetime (§4.2.1), for a shared cache."""
    for directive in ("s-maxage", "max-age"):
        if (seconds := said.seconds(directive)) is not None:
            return float(seconds)
    fields, now = received.fields, received.received_at
    date = _date(fields, b"date", now)
    if b"expires" in fields:
        expires = _date(fields, b"expires", now)
        return 0.0 if expires is None else expires - (now if date is None else date)  # §5.3: no date is the past
    if received.status not in HEURISTIC and "public" not in said:  # §4.2.2
        return 0.0
    if received.ttl is not None:
        return received.ttl
    modified = _date(fields, b"last-modified", now)
    if modified is None:
        return 0.0
    since = (now if date is None else date) - modified
    return min(max(since, 0.0) * HEURISTIC_SHARE, HEURISTIC_LIMIT)


def initial_age(received: Received) -> float:
    """corrected_initial_age (§4.2.3): how old a response was when it came."""
    now = received.received_at
    date = _date(received.fields, b"date", now)
    apparent = max(0.0, now - date) if date is not None else 0.0
    return max(apparent, age_value(received.fields) + max(0.0, now - received.asked_at))


def _date(fields: Fields, name: bytes, now: float) -> float | None:
    value = fields.get(name)
    return None if value is None else dates.parse(value, now)


FAILURE_GRACE = 3600.0
"""Seconds for which a stale response may stand in while the origin cannot be asked, unless it forbids that."""


def stands_in(terms: Terms, wishes: Directives, now: float) -> bool:
    """Whether a stale response may be used because asking below has failed (§4.2.4: disconnected)."""
    demanding = "no-cache" in wishes or "max-age" in wishes or "min-fresh" in wishes
    return not (terms.validate or terms.strict or demanding) and now <= terms.fresh_until + FAILURE_GRACE


class Reuse(Enum):
    """Whether a stored response answers a request, and if not, why not."""

    FRESH = "fresh"
    ACCEPTED_STALE = "stale, which the request accepts"
    STALE = "stale"
    ALWAYS_VALIDATE = "the response says no-cache"
    REQUEST_NO_CACHE = "the request says no-cache"
    REQUEST_MAX_AGE = "older than the request's max-age"
    REQUEST_MIN_FRESH = "not fresh for the request's min-fresh"

    @property
    def allowed(self) -> bool:
        return self in (Reuse.FRESH, Reuse.ACCEPTED_STALE)


def reuse(terms: Terms, wishes: Directives, now: float) -> Reuse:
    """Whether a stored response may answer now (§4), to a request with these directives (§5.2.1)."""
    if "no-cache" in wishes:  # §5.2.1.4
        return Reuse.REQUEST_NO_CACHE
    if terms.validate:
        return Reuse.ALWAYS_VALIDATE
    remaining = terms.fresh_until - now
    max_age = wishes.seconds("max-age")
    if max_age is not None and now - terms.born > max_age and "max-stale" not in wishes:  # §5.2.1.1
        return Reuse.REQUEST_MAX_AGE
    if remaining > 0:
        min_fresh = wishes.seconds("min-fresh")  # §5.2.1.3
        return Reuse.REQUEST_MIN_FRESH if min_fresh is not None and remaining < min_fresh else Reuse.FRESH
    if "max-stale" not in wishes or terms.strict:
        return Reuse.STALE
    limit = wishes.seconds("max-stale") if wishes["max-stale"] else None  # §5.2.1.2
    return Reuse.ACCEPTED_STALE if limit is None or -remaining <= limit else Reuse.STALE
