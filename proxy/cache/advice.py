"""What would make a request a hit, from the member of `Cache-Status` that it got (RFC 9211)."""

from __future__ import annotations

_OF_DETAIL = {
    "method": "only GET and HEAD are answered from a cache",
    "request-body": "a GET with a body is passed below",
    "precondition": "If-Match and If-Unmodified-Since are for the origin: leave them out",
    "exception": "the request has a cookie or field that `bypass` names: leave it out, or take it off the list",
    "head": "nothing is stored for HEAD: a GET for the same URL stores what answers both",
    "range": "several ranges at once are passed below: ask for one",
    "only-if-cached": "the request says only-if-cached: without it the stages below would be asked",
    "request-no-store": "the request says Cache-Control: no-store: leave it out",
    "status": "the status says nothing of how long: let the origin send max-age, or give it a `status_ttl`",
    "partial": "only a part came, and it cannot be joined to what is stored",
    "no-store": "the response says no-store: let the origin send max-age, or CDN-Cache-Control for caches like this",
    "private": "the response says private: let the origin send public and max-age if it is everybody's",
    "authorization": "the request has Authorization: the response must say public, s-maxage or must-revalidate",
    "set-cookie": "the response sets a cookie: `set_cookie: strip` stores it without, or let the origin say public",
    "vary": "the response says Vary: *: nobody knows what it depends on",
    "no-freshness": "the response says nothing of how long: let the origin send max-age, or give the cache a `ttl`",
    "unrepeatable": "a filter below failed and was left out (fail_open): mend the filter",
    "reads": "the stages below read more of the request than can be kept as a key",
    "size": "the response is longer than `max_object_size`",
    "incomplete": "the body did not come to its end",
    "invalidated": "it was purged or changed while the response came: ask again",
    "outdated": "what is stored is newer",
}
"""By the detail that `proxy.cache` gives (Refusal, bypass)."""

_OF_FORWARD = {
    "uri-miss": "nothing was stored, as no answer came from below",
    "vary-miss": "nothing was stored, as no answer came from below",
    "request": "the request asked for a newer response than is stored (Cache-Control, Pragma): leave that out",
    "stale": "what is stored is stale: `stale_while_revalidate` would have answered at once",
}


def advice(member: str) -> str:
    """For people. "" when it was a hit."""
    _, *parameters = [part.strip() for part in member.split(";")]
    said = dict(_pair(parameter) for parameter in parameters)
    if "hit" in said or not said:
        return ""
    if "collapsed" in said or "stored" in said:
        return _of_stored(said.get("ttl"))
    detail = said.get("detail", "")
    return _OF_DETAIL.get(detail) or _OF_FORWARD.get(said.get("fwd", "")) or ""


def _pair(parameter: str) -> tuple[str, str]:
    name, _, value = parameter.partition("=")
    return name, value


def _of_stored(ttl: str | None) -> str:
    if ttl is None:
        return "stored; it is used when the origin confirms it (no-cache, or stale already)"
    return f"stored: for {ttl} s the next request with this key and these selecting values is a hit"
