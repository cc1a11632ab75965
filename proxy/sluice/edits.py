"""Edits: what a filter changes of a message, as data, so that it can be remembered and done again (`memo`, `glass`)."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

from proxy.exchange import Request, Response
from proxy.exchange.observation import Source
from proxy.http.fields import Fields, Line, appended, removed, replaced


class Edit:
    """One change, its arguments checked. name: of the kind, for stories. replaces: what reads no longer come from
    afterwards, the source whose old value is gone (of a response: the observation), None when some of it remains.
    size: bytes that it writes.
    """

    __slots__ = ("arguments", "name", "replaces", "size")

    def __init__(self, name: str, arguments: tuple[str | bytes | int | None, ...], replaces: Source | None) -> None:
        self.name = name
        self.arguments = arguments
        self.replaces = replaces
        self.size = len(": \r\n") + sum([len(part) for part in arguments if isinstance(part, (str, bytes))])

    def edit_request(self, request: Request) -> None:
        """request: of the caller's own."""
        raise NotImplementedError(self.name)

    def edit_response(self, response: Response) -> None:
        """response: of the caller's own."""
        raise NotImplementedError(self.name)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Edit)
            and self.name == other.name
            and self.arguments == other.arguments
            and self.replaces == other.replaces
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Edit {self.name} {self.arguments!r}>"


class LineEdit(Edit):
    """Changes the field lines of a message, and nothing else."""

    __slots__ = ()

    def edited(self, lines: list[Line]) -> list[Line]:
        """The lines after it; those before stay as they are."""
        raise NotImplementedError(self.name)

    def edit_request(self, request: Request) -> None:
        request.fields.lines = self.edited(request.fields.lines)

    def edit_response(self, response: Response) -> None:
        response.fields.lines = self.edited(response.fields.lines)


class SetHeader(LineEdit):
    __slots__ = ("_line",)

    def __init__(self, line: Line, replaces: Source) -> None:
        super().__init__("set-header", line, replaces)
        self._line = line

    def edited(self, lines: list[Line]) -> list[Line]:
        return replaced(lines, self._line)


class AppendHeader(LineEdit):
    """What was there stays part of what is read later: nothing is replaced."""

    __slots__ = ("_line",)

    def __init__(self, line: Line) -> None:
        super().__init__("append-header", line, None)
        self._line = line

    def edited(self, lines: list[Line]) -> list[Line]:
        return appended(lines, self._line)


class RemoveHeader(LineEdit):
    __slots__ = ("_header",)

    def __init__(self, header: bytes, replaces: Source) -> None:
        super().__init__("remove-header", (header,), replaces)
        self._header = header

    def edited(self, lines: list[Line]) -> list[Line]:
        return removed(lines, self._header)


class SetStatus(Edit):
    __slots__ = ("_status",)

    def __init__(self, status: int) -> None:
        super().__init__("set-status", (status,), ("response.status", ""))
        self._status = status

    def edit_response(self, response: Response) -> None:
        response.status = self._status


class AddTag(Edit):
    __slots__ = ("_tag",)

    def __init__(self, tag: str) -> None:
        super().__init__("add-tag", (tag,), None)
        self._tag = tag

    def edit_response(self, response: Response) -> None:
        response.tags = (*response.tags, self._tag)


class SetAttribute(Edit):
    """Of a request: its method, authority, path or query."""

    __slots__ = ("_part", "_value")

    def __init__(self, attribute: str, value: str | None) -> None:
        super().__init__("set-attribute", (attribute, value), (attribute, ""))
        self._part = attribute
        self._value = value

    def edit_request(self, request: Request) -> None:
        setattr(request, self._part, self._value)


class SetNote(Edit):
    __slots__ = ("_note", "_value")

    def __init__(self, note: str, value: str) -> None:
        super().__init__("set-note", (note, value), ("note", note))
        self._note = note
        self._value = value

    def edit_request(self, request: Request) -> None:
        request.notes = MappingProxyType({**request.notes, self._note: self._value})


class Edits:
    """Several of one message, in order, as one change. sources: what they replace. size: bytes that they write."""

    __slots__ = ("_of_lines", "edits", "size", "sources")

    def __init__(self, edits: Iterable[Edit] = ()) -> None:
        self.edits = tuple(edits)
        self.sources = frozenset([edit.replaces for edit in self.edits if edit.replaces is not None])
        self.size = sum([edit.size for edit in self.edits])
        of_lines = tuple([edit for edit in self.edits if isinstance(edit, LineEdit)])
        self._of_lines = of_lines if len(of_lines) == len(self.edits) else ()

    def request(self, request: Request) -> Request:
        """Another request, as this one is after them."""
        if self._of_lines:
            return request.copy(self._fields(request.fields))
        changed = request.copy()
        for edit in self.edits:
            edit.edit_request(changed)
        return changed

    def response(self, response: Response) -> Response:
        """Another response, as this one is after them."""
        if self._of_lines:
            return Response(response.status, self._fields(response.fields), response.body, response.tags)
        changed = response.copy()
        for edit in self.edits:
            edit.edit_response(changed)
        return changed

    def _fields(self, fields: Fields) -> Fields:
        changed = fields.after(self)  # worked out once for lines that stay
        if changed is None:
            changed = fields.copy()
            changed.lines = self(fields.lines)
        return changed

    def __call__(self, lines: list[Line], /) -> list[Line]:
        """As a Change of lines."""
        for edit in self._of_lines:
            lines = edit.edited(lines)
        return lines
