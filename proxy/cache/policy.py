"""What RFC 9111 lets a shared cache store and reuse: pure functions, with the time as an argument.

Each decision has a name that says why. Times are seconds since the epoch, ages and lifetimes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from proxy.http import dates
from proxy.http.cache_control import Directives, age_value, directives, targeted
from proxy.http.fields import Fields
from proxy.http.ranges import content_range
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


UNREACHABLE_GRACE = 3600.0
"""Seconds for which a stale response may stand in while the origin cannot be reached, where nobody says how long."""

FAILED = frozenset((500, 502, 503, 504))
"""The answers that `stale-if-error` takes for errors (RFC 5861 §4)."""


class SetCookie(Enum):
    """What becomes of a response with Set-Cookie that does not say that it is for everybody. RFC 9111 §7.3 leaves it
    open; but most cookies are for one client, and most origins do not say so."""

    REFUSE = "refuse"
    STRIP = "strip"
    STORE = "store"


@dataclass(frozen=True, slots=True)
class Rules:
    """The choices that the standards leave to whoever runs a cache.

    ttl: the lifetime of responses that say nothing; None follows RFC 9111. status_ttl: the same by status, which also
    lets statuses be stored that else need to say so. stale_while_revalidate, stale_if_error: seconds, for responses
    that give none; None for the latter is an hour while the origin cannot be reached. target_list: the fields that
    stand in for Cache-Control, lower case, the first one first (RFC 9213 §2.2). strip_tags: fields with surrogate keys
    go no further.
    """

    ttl: float | None = None
    status_ttl: Mapping[int, float] = field(default_factory=dict)
    stale_while_revalidate: float = 0.0
    stale_if_error: float | None = None
    set_cookie: SetCookie = SetCookie.REFUSE
    target_list: tuple[bytes, ...] = (b"cdn-cache-control",)
    strip_tags: bool = True


DEFAULT = Rules()


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
    TAGS = "tags"
    SIZE = "size"
    INCOMPLETE = "incomplete"
    INVALIDATED = "invalidated"
    OUTDATED = "outdated"


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a stored response may be used.

    born: when its age was 0 (§4.2.3). lifetime: how long it is fresh from then. validate: never without asking
    (`no-cache`). strict: never when stale, whatever the client accepts (§4.2.4). How long it may be used when stale:
    while_revalidate while a newer one is fetched, if_error when the answer was an error, if_unreachable when there was
    none. immutable: it does not change while it is fresh (RFC 8246).
    """

    born: float
    lifetime: float
    validate: bool
    strict: bool
    while_revalidate: float = 0.0
    if_error: float = 0.0
    if_unreachable: float = 0.0
    immutable: bool = False

    @property
    def fresh_until(self) -> float:
        """When it stops being usable without asking; 0, the epoch, when it never is."""
        return 0.0 if self.validate else self.born + self.lifetime


@dataclass(frozen=True, slots=True)
class Received:
    """A response to a GET, and what is needed to judge it."""

    request: Fields
    status: int
    fields: Fields
    asked_at: float
    received_at: float
    rules: Rules = DEFAULT


@dataclass(frozen=True, slots=True)
class Said:
    """What a response says to us: its directives, and its Expires where that counts."""

    directives: Directives
    expires: bytes | None

    @property
    def is_explicit(self) -> bool:
        """It gives a lifetime."""
        return "s-maxage" in self.directives or "max-age" in self.directives or self.expires is not None


def said_by(fields: Fields, rules: Rules) -> Said:
    """A targeted field stands in for Cache-Control and Expires (RFC 9213 §2.2)."""
    own = targeted(fields, rules.target_list)
    return Said(directives(fields), fields.get(b"expires")) if own is None else Said(own, None)


def judge(received: Received) -> Terms | Refusal:
    """Whether a response may be stored (§3), and on what terms."""
    said = said_by(received.fields, received.rules)
    return _forbidden(received, said) or _terms(received, said)


def withheld(fields: Fields, rules: Rules) -> frozenset[bytes]:
    """The fields that are not stored with a response: those that `private` (§5.2.2.7) and `no-cache` (§5.2.2.4) name,
    and Set-Cookie where that is stripped."""
    said = said_by(fields, rules).directives
    strips = rules.set_cookie is SetCookie.STRIP and not _is_shared(said)
    return _withheld(said) | {b"set-cookie"} if strips else _withheld(said)


def _withheld(said: Directives) -> frozenset[bytes]:
    return _named(said.get("private")) | _named(said.get("no-cache"))


def _named(argument: bytes | None) -> frozenset[bytes]:
    return frozenset(name.strip(b" \t").lower() for name in (argument or b"").split(b",")) - {b""}


def _is_shared(said: Directives) -> bool:
    return "public" in said or "s-maxage" in said


def _forbidden(received: Received, heard: Said) -> Refusal | None:
    status, fields, rules, said = received.status, received.fields, received.rules, heard.directives
    if status == 206 and content_range(fields) is None:  # §3.3: it could not be said what it is a part of
        return Refusal.PARTIAL
    if status == 416:  # RFC 9110 §15.5.17: about the Range of this request, which no key has
        return Refusal.STATUS
    if status == 304 or ("must-understand" in said and status not in UNDERSTOOD):  # §3, §5.2.2.3
        return Refusal.STATUS
    if "no-store" in said and "must-understand" not in said:  # §5.2.2.5; §5.2.2.3 lifts it
        return Refusal.NO_STORE
    if "no-store" in directives(received.request):  # §5.2.1.5
        return Refusal.REQUEST_NO_STORE
    if "private" in said and not _named(said["private"]):  # §5.2.2.7; with names, those fields are `withheld`
        return Refusal.PRIVATE
    shared = _is_shared(said)
    if b"authorization" in received.request and not (shared or "must-revalidate" in said):  # §3.5
        return Refusal.AUTHORIZATION
    if (
        rules.set_cookie is SetCookie.REFUSE
        and b"set-cookie" in fields
        and not shared | (b"set-cookie" in _withheld(said))
    ):
        return Refusal.SET_COOKIE
    if selecting_fields(fields) is None:  # §4.1: nothing would ever match
        return Refusal.VARY
    if not (shared or heard.is_explicit or status in HEURISTIC or status in rules.status_ttl):  # §3, last list
        return Refusal.STATUS
    return None


def _terms(received: Received, heard: Said) -> Terms | Refusal:
    said, rules = heard.directives, received.rules
    validate = "no-cache" in said and not _named(said["no-cache"])  # §5.2.2.4; with names, those are `withheld`
    asked_first = validate or "must-revalidate" in said or "proxy-revalidate" in said  # §5.2.2.2, §5.2.2.8
    strict = asked_first or "s-maxage" in said  # §5.2.2.10: s-maxage has the meaning of proxy-revalidate

    def grace(directive: str, default: float) -> float:
        """RFC 5861. What the response gives goes before s-maxage, which often stands beside it: in a shared cache it
        would else never mean anything."""
        given = said.seconds(directive)
        if given is None:
            return 0.0 if strict else default
        return 0.0 if asked_first else float(given)

    terms = Terms(
        born=received.received_at - initial_age(received),
        lifetime=_lifetime(received, heard),
        validate=validate,
        strict=strict,
        while_revalidate=grace("stale-while-revalidate", rules.stale_while_revalidate),
        if_error=grace("stale-if-error", rules.stale_if_error or 0.0),
        if_unreachable=grace("stale-if-error", _or(rules.stale_if_error, UNREACHABLE_GRACE)),
        immutable="immutable" in said,
    )
    of_use_until = terms.fresh_until + max(terms.while_revalidate, terms.if_error)
    if of_use_until <= received.received_at and not _has_validator(received.fields):
        return Refusal.NO_FRESHNESS  # could neither be used as it is, nor while stale, nor be validated
    return terms


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _has_validator(fields: Fields) -> bool:
    return b"etag" in fields or b"last-modified" in fields


def _lifetime(received: Received, heard: Said) -> float:
    """Freshness lifetime (§4.2.1), for a shared cache."""
    said, rules = heard.directives, received.rules
    for directive in ("s-maxage", "max-age"):
        if (seconds := said.seconds(directive)) is not None:
            return float(seconds)
    now = received.received_at
    date = _date(received.fields, b"date", now)
    if heard.expires is not None:
        expires = dates.parse(heard.expires, now)
        return 0.0 if expires is None else expires - (now if date is None else date)  # §5.3: no date is the past
    if received.status in rules.status_ttl:
        return rules.status_ttl[received.status]
    if received.status not in HEURISTIC and "public" not in said:  # §4.2.2
        return 0.0
    if rules.ttl is not None:
        return rules.ttl
    modified = _date(received.fields, b"last-modified", now)
    if modified is None:
        return 0.0
    since = (now if date is None else date) - modified
    return min(max(since, 0.0) * HEURISTIC_SHARE, HEURISTIC_LIMIT)


def is_explicit(fields: Fields, rules: Rules) -> bool:
    """Whether a response gives a lifetime itself."""
    return said_by(fields, rules).is_explicit


def initial_age(received: Received) -> float:
    """corrected_initial_age (§4.2.3): how old a response was when it came."""
    now = received.received_at
    date = _date(received.fields, b"date", now)
    apparent = max(0.0, now - date) if date is not None else 0.0
    return max(apparent, age_value(received.fields) + max(0.0, now - received.asked_at))


def _date(fields: Fields, name: bytes, now: float) -> float | None:
    value = fields.get(name)
    return None if value is None else dates.parse(value, now)


def stands_in(terms: Terms, wishes: Directives, now: float, *, answered: bool) -> bool:
    """Whether a stale response may be used because asking below has failed (§4.2.4, RFC 5861 §4): with an answer that
    is an error, or without any. The request may allow it as well as the response."""
    if "no-cache" in wishes or "max-age" in wishes or "min-fresh" in wishes:
        return False
    allowed = 0 if terms.strict else wishes.seconds("stale-if-error") or 0
    grace = terms.if_error if answered else terms.if_unreachable
    return now < terms.fresh_until + max(grace, allowed)


class Reuse(Enum):
    """Whether a stored response answers a request, and if not, why not."""

    FRESH = "fresh"
    ACCEPTED_STALE = "stale, which the request accepts"
    WHILE_REVALIDATE = "stale, for as long as a newer one is fetched"
    STALE = "stale"
    ALWAYS_VALIDATE = "the response says no-cache"
    REQUEST_NO_CACHE = "the request says no-cache"
    REQUEST_MAX_AGE = "older than the request's max-age"
    REQUEST_MIN_FRESH = "not fresh for the request's min-fresh"

    @property
    def allowed(self) -> bool:
        return self in (Reuse.FRESH, Reuse.ACCEPTED_STALE, Reuse.WHILE_REVALIDATE)


def reuse(terms: Terms, wishes: Directives, now: float) -> Reuse:
    """Whether a stored response may answer now (§4), to a request with these directives (§5.2.1)."""
    if "no-cache" in wishes:  # §5.2.1.4
        return Reuse.REQUEST_NO_CACHE
    if terms.validate:
        return Reuse.ALWAYS_VALIDATE
    remaining = terms.fresh_until - now
    # RFC 8246 §2: a reload, which is a max-age, is no reason to ask again; no-cache is.
    max_age = None if terms.immutable and remaining > 0 else wishes.seconds("max-age")
    if max_age is not None and now - terms.born > max_age and "max-stale" not in wishes:  # §5.2.1.1
        return Reuse.REQUEST_MAX_AGE
    if remaining > 0:
        min_fresh = wishes.seconds("min-fresh")  # §5.2.1.3
        return Reuse.REQUEST_MIN_FRESH if min_fresh is not None and remaining < min_fresh else Reuse.FRESH
    if "min-fresh" not in wishes and -remaining < terms.while_revalidate:  # RFC 5861 §3
        return Reuse.WHILE_REVALIDATE
    if "max-stale" not in wishes or terms.strict:
        return Reuse.STALE
    limit = wishes.seconds("max-stale") if wishes["max-stale"] else None  # §5.2.1.2
    return Reuse.ACCEPTED_STALE if limit is None or -remaining <= limit else Reuse.STALE
