"""Surrogate keys: the names by which responses are purged together."""

from __future__ import annotations

from operator import itemgetter

from proxy.exchange import Response
from proxy.http.fields import Fields

FIELDS = {b"surrogate-key": b" ", b"cache-tag": b","}
"""The fields that origins give tags in, and what is between two of them: as Fastly and Varnish have them, and as
Akamai and Cloudflare do."""

MAX_TAGS = 1000
"""A response with more is not stored."""

_NAME = itemgetter(0)


def tagged(response: Response, *, strip: bool) -> Response:
    """With the tags that its fields give among its own, and, if so wished, without these fields."""
    if FIELDS.keys().isdisjoint(map(_NAME, response.fields.lines)):
        return response
    tags = dict.fromkeys(response.tags)
    for name, value in response.fields.lines:
        if name in FIELDS:
            given = (tag.strip(b" \t").decode("utf-8", "replace") for tag in value.split(FIELDS[name]))
            tags.update(dict.fromkeys(tag for tag in given if tag))
    lines = [line for line in response.fields.lines if line[0] not in FIELDS] if strip else response.fields.lines
    return Response(response.status, Fields(lines), response.body, tuple(tags))
