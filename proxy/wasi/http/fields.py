"""`fields` of wasi:http/types: headers and trailers, as guests read and write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from proxy.exchange import Request
from proxy.exchange.observation import UNREPEATABLE, observed
from proxy.http.fields import Fields, Line
from proxy.http.hop_by_hop import HOP_BY_HOP
from proxy.http.known import Known
from proxy.http.syntax import is_field_value, is_token

FORBIDDEN = HOP_BY_HOP | {b"host"}
"""What says how a message travels, and to whom: the proxy's own. A guest neither sees nor sets them."""

MOST = 64 * 1024
"""Bytes of names and values in one `fields` that a guest writes."""

LINE = 64
"""Bytes that a line is reckoned at beside its name and value."""


class Keeper(Protocol):
    """Whom the fields are written for: bounds what the host keeps of them (Visit)."""

    def copies(self, size: int) -> None: ...


IMMUTABLE = ("err", ("immutable", None))
FORBIDDEN_NAME = ("err", ("forbidden", None))
INVALID = ("err", ("invalid-syntax", None))
SIZE_EXCEEDED = ("err", ("size-exceeded", None))
OK = ("ok", None)

Result = tuple[str, Any]


class FieldsTooLarge(Exception):
    """The guest wrote more than it may."""


class GuestFields:
    """One `fields` resource. `request`: whose it is, when caches are to be told of what is read of it."""

    def __init__(self, fields: Fields, *, mutable: bool, request: Request | None = None) -> None:
        self.fields = fields
        self.mutable = mutable
        self._request = request

    def seen(self) -> list[Line]:
        """All lines, the wildcard."""
        if self._request is not None:
            observed(self._request, ("headers", ""))
            if not all(_is_text(value) for _, value in self.fields):
                observed(self._request, UNREPEATABLE)
        return self.fields.lines

    def values(self, name: bytes) -> list[bytes]:
        """The lines of one name. A cache tells apart what a combined value of text tells apart; where the guest sees
        more than that, it has read everything."""
        values = self.fields.all(name)
        if self._request is not None:
            observed(self._request, ("header", name.decode()) if len(values) < 2 else ("headers", ""))
            if not all(map(_is_text, values)):
                observed(self._request, UNREPEATABLE)
        return values

    def write(self, edit: Callable[[Fields], None]) -> Result:
        """Applies an edit to a copy, if it may be changed."""
        if not self.mutable:
            return IMMUTABLE
        edited = self.fields.copy()
        edit(edited)
        if sum(len(name) + len(value) for name, value in edited.lines) > MOST:
            raise FieldsTooLarge(f"more than {MOST} bytes of fields")
        self.fields = edited
        return OK


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def visible(fields: Fields) -> Fields:
    """The fields of a message that came in, as a guest sees them."""
    if fields.lacks(HOP_BY_HOP):
        return fields
    return Fields([line for line in fields.lines if line[0] not in HOP_BY_HOP])


def _checked(name: str, values: list[bytes]) -> tuple[bytes, list[bytes]] | Result:
    key = name.encode().lower()
    stripped = [value.strip(b" \t") for value in values]
    if not is_token(key) or not all(map(is_field_value, stripped)):
        return INVALID
    return FORBIDDEN_NAME if key in FORBIDDEN else (key, stripped)


_LONGEST = 256
_LINES: Known[tuple[str, bytes], Line] = Known(1024)
"""Lines as they may be sent, by what a guest has written, up to so many bytes: most are written again and again."""


def _line(entry: tuple[str, bytes]) -> Line | Result:
    line = _LINES.get(entry)
    if line is None:
        name, value = entry
        checked = _checked(name, [value])
        if isinstance(checked[0], str):
            return checked
        key, (stripped,) = checked
        line = key, stripped
        if len(name) + len(value) <= _LONGEST:
            _LINES.keep(entry, line)
    return line


def functions() -> dict[str, Callable[..., object]]:
    return {
        "[constructor]fields": lambda run: GuestFields(Fields(), mutable=True),
        "[static]fields.from-list": _from_list,
        "[method]fields.get": lambda run, fields, name: fields.values(name.encode().lower()),
        "[method]fields.has": lambda run, fields, name: bool(fields.values(name.encode().lower())),
        "[method]fields.set": _set,
        "[method]fields.delete": _delete,
        "[method]fields.append": _append,
        "[method]fields.entries": lambda run, fields: [(name.decode(), value) for name, value in fields.seen()],
        "[method]fields.clone": _clone,
    }


def functions3() -> dict[str, Callable[..., object]]:
    """Those of 0.3."""
    before = functions()
    entries = before.pop("[method]fields.entries")
    edits = ("[static]fields.from-list", "[method]fields.set", "[method]fields.append")
    return {
        **before,
        **{name: _sized(before[name]) for name in edits},
        "[method]fields.copy-all": entries,
        "[method]fields.get-and-delete": _get_and_delete,
    }


def _sized(function: Callable[..., object]) -> Callable[..., object]:
    """0.3 has an error for too many; 0.2 has not, and stops the guest."""

    def sized(*arguments: object) -> object:
        try:
            return function(*arguments)
        except FieldsTooLarge:
            return SIZE_EXCEEDED

    return sized


def _settable(lines: list[Line]) -> list[Line]:
    return [line for line in lines if line[0] not in FORBIDDEN]


def _clone(keeper: Keeper, fields: GuestFields) -> GuestFields:
    lines = _settable(fields.seen())
    keeper.copies(sum(_weight(*line) for line in lines))
    return GuestFields(Fields(lines), mutable=True)


def _weight(name: bytes, value: bytes) -> int:
    return LINE + len(name) + len(value)


def _from_list(keeper: Keeper, entries: list[tuple[str, bytes]]) -> Result:
    lines, size = list[Line](), 0
    for entry in entries:
        line = _line(entry)
        if isinstance(line[0], str):
            return line
        key, value = line
        keeper.copies(_weight(key, value))
        lines.append((key, value))
        size += len(key) + len(value)
        if size > MOST:
            raise FieldsTooLarge(f"more than {MOST} bytes of fields")
    return "ok", GuestFields(Fields(lines), mutable=True)


def _set(keeper: Keeper, fields: GuestFields, name: str, values: list[bytes]) -> Result:
    checked = _checked(name, values)
    if isinstance(checked[0], str):
        return checked
    key, stripped = checked
    keeper.copies(sum(_weight(key, value) for value in stripped))

    def edit(target: Fields) -> None:
        target.remove(key)
        for value in stripped:
            target.append(key, value)

    return fields.write(edit)


def _append(keeper: Keeper, fields: GuestFields, name: str, value: bytes) -> Result:
    line = _line((name, value))
    if isinstance(line[0], str):
        return line
    key, stripped = line
    keeper.copies(_weight(key, stripped))
    return fields.write(lambda target: target.append(key, stripped))


def _delete(run: Any, fields: GuestFields, name: str) -> Result:
    checked = _checked(name, [])
    if isinstance(checked[0], str):
        return checked
    return fields.write(lambda target: target.remove(checked[0]))


def _get_and_delete(run: Any, fields: GuestFields, name: str) -> Result:
    checked = _checked(name, [])
    if isinstance(checked[0], str):
        return checked
    found = fields.values(checked[0])
    outcome = fields.write(lambda target: target.remove(checked[0]))
    return ("ok", found) if outcome is OK else outcome
