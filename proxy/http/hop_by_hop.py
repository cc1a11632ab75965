"""Fields that a proxy takes away or adds at each hop (RFC 9110 §7.6, RFC 7239)."""

from __future__ import annotations

import re
from typing import Final

from proxy.http.fields import Fields, FixedLines, Line, removed
from proxy.http.known import Known
from proxy.http.syntax import is_token

HOP_BY_HOP: Final = frozenset((
    b"connection", b"http2-settings", b"keep-alive", b"proxy-authenticate", b"proxy-authorization",
    b"proxy-connection", b"te", b"transfer-encoding", b"upgrade",
))  # fmt: skip
"""Never passed on. `trailer` is not one of them since RFC 9110 (§6.6.2): it describes trailers that are passed on."""

_FRAMING = frozenset((b"content-length", b"host"))
"""`Connection` cannot take these away: the next hop would see another message than we do."""


def options(lines: list[Line]) -> list[bytes]:
    """The connection options of a message, lower case: `close`, `keep-alive`, or a field name (RFC 9110 §7.6.1)."""
    found: list[bytes] = []
    for name, value in lines:
        if name == b"connection":
            found += [option.strip(b" \t") for option in value.lower().split(b",")]
    return [option for option in found if option]


def end_to_end(lines: list[Line]) -> list[Line]:
    """The lines that may be passed on: without hop-by-hop fields and those that `Connection` names.

    `te: trailers` stays, in that form, for a message that offered to take trailers, as we pass them on
    (RFC 9110 §10.1.4); a sender over HTTP/1.1 then owes the next hop `connection: te`.
    """
    if HOP_BY_HOP.isdisjoint([name for name, _ in lines]):
        return lines
    dropped = HOP_BY_HOP.union(options(lines)) - _FRAMING
    kept = [line for line in lines if line[0] not in dropped]
    if any(name == b"te" and _offers_trailers(value) for name, value in lines):
        kept.append((b"te", b"trailers"))
    return kept


def _offers_trailers(te: bytes) -> bool:
    return any(coding.strip(b" \t") == b"trailers" for coding in te.lower().split(b","))


def add_via(lines: list[Line], version: str, pseudonym: str) -> list[Line]:
    """The lines with our own entry last in `Via` (RFC 9110 §7.6.3). version: that of the message received, "1.1"."""
    entry = f"{version} {pseudonym}".encode()
    before = [value for name, value in lines if name == b"via"]
    if not before:
        return [*lines, (b"via", entry)]
    return [*removed(lines, b"via"), (b"via", b", ".join([*before, entry]))]


_FORWARDED = frozenset((b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"))

_OURS: Final = _FORWARDED | HOP_BY_HOP | _FRAMING | {b"via", b"x-request-id"}

_OF_HOPS: Final = _FORWARDED | {b"proxy", b"via", b"x-request-id"}

_WHOLE_ELEMENTS = re.compile(rb'[^"\\]*(?:"[^"\\]*"[^"\\]*)*')
"""An open quote would take in the element that is added behind it."""


def add_forwarded(lines: list[Line], client: str, scheme: str, authority: str) -> list[Line]:
    """The lines of a request for the next hop, telling it for whom we ask: client is an IP address without port.

    `x-forwarded-for` and `forwarded` (RFC 7239) are lists, and get an entry more. `x-forwarded-proto` and
    `x-forwarded-host` are read as a single value, by most as the first one, so what a client claims is replaced.
    A `forwarded` with a quote that does not end is left out, and so are names that an origin behind CGI or WSGI would
    take for one of these, or of the framing.
    """
    addresses: list[bytes] = []
    elements: list[bytes] = []
    kept: list[Line] = []
    for line in lines:
        name = line[0]
        if name not in _FORWARDED:
            if not _passes_for_another(name):
                kept.append(line)
        elif name == b"x-forwarded-for":
            addresses.append(line[1])
        elif name == b"forwarded" and _WHOLE_ELEMENTS.fullmatch(line[1]):
            elements.append(line[1])
    addresses.append(client.encode())
    elements.append(_forwarded_element(client, scheme, authority))
    kept += (
        (b"x-forwarded-for", b", ".join(addresses)),
        (b"x-forwarded-proto", scheme.encode()),
        (b"x-forwarded-host", authority.encode()),
        (b"forwarded", b", ".join(elements)),
    )
    return kept


def is_first_hop(fields: Fields) -> bool:
    """The request comes from one who says nothing of hops before: `told` can simply be added to it, and an
    `x-request-id` of our own."""
    fixed = fields.fixed
    if fixed is None or fixed.lines is not fields.lines:
        return _is_first_hop(fields)
    if fixed.first_hop is None:
        fixed.first_hop = _is_first_hop(fields)
    return fixed.first_hop


def _is_first_hop(fields: Fields) -> bool:
    names = [name for name, _ in fields.lines]
    return _OF_HOPS.isdisjoint(names) and b" ".join(names).find(b"_") < 0


_TOLD: Final[Known[tuple[str, str, str, str, str], FixedLines]] = Known(1024)

_LONGEST_TOLD: Final = 256
"""Characters of an authority with which they are kept."""


def told(version: str, pseudonym: str, client: str, scheme: str, authority: str) -> FixedLines:
    """What `add_via` and `add_forwarded` add where there is nothing of it yet."""
    key = version, pseudonym, client, scheme, authority
    lines = _TOLD.get(key)
    if lines is None:
        lines = FixedLines(add_forwarded(add_via([], version, pseudonym), client, scheme, authority))
        if len(authority) <= _LONGEST_TOLD:
            _TOLD.keep(key, lines)
    return lines


def _passes_for_another(name: bytes) -> bool:
    """CGI (RFC 3875 §4.1.18) makes HTTP_X_FORWARDED_FOR of `x_forwarded_for` too, and HTTP_PROXY of `proxy`."""
    return name == b"proxy" or (b"_" in name and name.replace(b"_", b"-") in _OURS)


def _forwarded_element(client: str, scheme: str, authority: str) -> bytes:
    """RFC 7239 §4: an IPv6 address is in brackets and quoted (§6.1), and so is whatever is no token. A host may hold
    `;`, `,` and `=`, which would begin another parameter; what needs escaping in quotes it never holds."""
    node = f'"[{client}]"' if ":" in client else client
    host = authority if is_token(authority.encode()) else f'"{authority}"'
    return f"for={node};host={host};proto={scheme}".encode()
