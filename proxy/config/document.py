"""Reads a YAML document into plain values, with the place of each.

It may come from anyone: its size, its depth and what its aliases expand to are bounded, and no tag makes anything
but plain values of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, NamedTuple

import yaml

from proxy.config.errors import ConfigError, ConfigErrors, Path, quoted, show_path
from proxy.config.scalars import resolve, substitute

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_VALUES = 100_000
"""Values in a document, with what an alias stands for counted each time."""
MAX_SECRET_BYTES = 64 << 10

_IMPLICIT = "implicit"
_FAILED = object()


class Place(NamedTuple):
    """Line and column, from 1, of a value and of its key; of the value twice where there is no key."""

    key: tuple[int, int]
    value: tuple[int, int]


Places = Mapping[Path, Place]


@dataclass(slots=True)
class Document:
    """data: dicts, lists and scalars. written: the text of plain scalars that became something else.
    errors: mistakes that left `data` incomplete, at the `broken` paths."""

    data: dict[str, Any] = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)
    written: dict[Path, str] = field(default_factory=dict)
    errors: list[ConfigError] = field(default_factory=list)
    broken: set[Path] = field(default_factory=set)
    text: str = ""

    def is_broken(self, path: Path) -> bool:
        """Something was wrong here already: what else is, follows from that."""
        return any(path[:length] in self.broken for length in range(len(path) + 1))


def read(
    file: FilePath,
    environment: Mapping[str, str],
    *,
    keys: str = "version, listeners, …",
    example: str = "config/minimal.yaml",
    text: str | None = None,
) -> Document:
    """Raises ConfigErrors when there is nothing to go on with; other mistakes are in the document.

    keys, example: what such a file has at its top, and one to begin with. text: what was read of it before.
    """
    written = _text(file) if text is None else text
    root = _compose(str(file), written, example)
    reader = _Reader(file, environment)
    reader.document.text = written
    value = reader.value(root, (), _position(root.start_mark))
    if not isinstance(value, dict):
        kind = "a list" if isinstance(value, list) else "one value"
        message = f"expected a mapping with {keys}, not {kind}"
        raise _fatal(str(file), _position(root.start_mark), message)
    reader.document.data = value
    return reader.document


def _fatal(file: str, position: tuple[int, int], message: str) -> ConfigErrors:
    return ConfigErrors([ConfigError(file, *position, "", message)])


def _position(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1


def _position_in(text: str) -> tuple[int, int]:
    """Of what follows after `text`."""
    return text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1


def _text(file: FilePath) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _fatal(str(file), (1, 1), f"cannot be read: {reason}") from error
    if len(content) > MAX_BYTES:
        raise _fatal(str(file), (1, 1), f"is longer than {MAX_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig")
        raise _fatal(str(file), _position_in(before), "is not UTF-8 from here on") from error


class _Composer(yaml.SafeLoader):
    """Leaves tags alone: what is `_IMPLICIT` is resolved by us, what is not was written."""

    depth = 0
    values = 0

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        return _IMPLICIT

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        self.values += 1
        if self.depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"nested more than {MAX_DEPTH} deep", problem_mark=self.get_mark())
        if self.values > 2 * MAX_VALUES:  # keys are nodes too
            raise yaml.MarkedYAMLError(problem=f"more than {MAX_VALUES} values", problem_mark=self.get_mark())
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _compose(file: str, text: str, example: str) -> yaml.Node:
    try:
        composer = _Composer(text)
        try:
            root = composer.get_single_node()
        except (ValueError, OverflowError) as error:
            # PyYAML makes a character of any \U escape, and a number of any %YAML version.
            raise yaml.MarkedYAMLError(problem="a number is out of range", problem_mark=composer.get_mark()) from error
        finally:
            composer.dispose()
    except yaml.reader.ReaderError as error:
        problem = f"the character {quoted(chr(error.character))} is not allowed"
        raise _fatal(file, _position_in(text[: error.position]), problem) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _fatal(file, _position(mark) if mark else (1, 1), _syntax(error, text)) from error
    if root is None:
        raise _fatal(file, (1, 1), f"is empty; {example} is a start")
    return root


def _syntax(error: yaml.MarkedYAMLError, text: str) -> str:
    problem = error.problem or "cannot be read"
    line = text.split("\n")[error.problem_mark.line : error.problem_mark.line + 1] if error.problem_mark else []
    if "'\\t'" in problem:
        return "not valid YAML: a tab cannot indent; use spaces"
    if error.context and "single document" in error.context:
        return "not valid YAML: a second document begins here; a file has one"
    if error.context:
        began = f", which began in line {error.context_mark.line + 1}" if error.context_mark else ""
        problem += f" ({error.context}{began})"
    if any("${" in each for each in line):
        problem += "; within {} and [], text with ${…} needs quotes"
    return f"not valid YAML: {problem}"


Entries = dict[str, tuple[yaml.Node, yaml.Node]]


class _Reader:
    """From nodes to values. An alias yields values of its own each time, so each has one path."""

    def __init__(self, file: FilePath, environment: Mapping[str, str]) -> None:
        self.document = Document()
        self._file = file
        self._environment = environment
        self._count = 0
        self._entries: dict[int, Entries] = {}
        self._scalars: dict[int, Any] = {}

    def value(self, node: yaml.Node, path: Path, key: tuple[int, int]) -> Any:
        position = _position(node.start_mark)
        self._spend(1, node)
        if len(path) > MAX_DEPTH:
            raise _fatal(str(self._file), position, f"nested more than {MAX_DEPTH} deep, with aliases followed")
        self.document.places[path] = Place(key, position)
        if node.tag not in (_IMPLICIT, "!"):
            self._wrong(path, node, f"the tag {quoted(node.tag)} is not supported; for text use quotes")
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(each, (*path, i), _position(each.start_mark)) for i, each in enumerate(node.value)]
        return {
            name: self.value(each, (*path, name), _position(key_node.start_mark))
            for name, (key_node, each) in self._mapping(node, path).items()
        }

    def _spend(self, values: int, node: yaml.Node) -> None:
        self._count += values
        if self._count > MAX_VALUES:
            message = f"more than {MAX_VALUES} values, with what aliases stand for counted each time"
            raise _fatal(str(self._file), _position(node.start_mark), message)

    def _wrong(self, path: Path, node: yaml.Node, message: str) -> None:
        self.document.broken.add(path)
        error = ConfigError(str(self._file), *_position(node.start_mark), show_path(path), message)
        self.document.errors.append(error)

    def _mapping(self, node: yaml.Node, path: Path) -> Entries:
        """By key, own entries before merged ones, which do not replace them."""
        if id(node) in self._entries:
            return self._entries[id(node)]
        entries: Entries = {}
        self._entries[id(node)] = entries
        merged: list[yaml.Node] = []
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != _IMPLICIT:
                self._wrong(path, key, "a key must be text; text that begins with { or [ needs quotes")
            elif key.value == "<<" and key.style is None:
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
            elif key.value in entries:
                first = entries[key.value][0].start_mark.line + 1
                self._wrong((*path, key.value), key, f"is given twice, first in line {first}")
            else:
                entries[key.value] = (key, value)
        for source in merged:
            if not isinstance(source, yaml.MappingNode):
                self._wrong(path, source, "<< takes a mapping, or a list of mappings")
                continue
            inherited = self._mapping(source, path)
            self._spend(len(inherited), source)
            entries.update({name: entry for name, entry in inherited.items() if name not in entries})
        return entries

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        if id(node) not in self._scalars:
            self._scalars[id(node)] = self._resolved(node, path)
        value = self._scalars[id(node)]
        if value is _FAILED:
            self.document.broken.add(path)
            return None
        if node.style is None and value is not None and not isinstance(value, str):
            self.document.written[path] = node.value
        return value

    def _resolved(self, node: yaml.ScalarNode, path: Path) -> Any:
        text: str = node.value
        try:
            text.encode()
            value = substitute(text, self._environment, self._secret)
        except UnicodeEncodeError:
            self._wrong(path, node, "contains half of a surrogate pair")
            return _FAILED
        except ValueError as error:
            self._wrong(path, node, str(error))
            return _FAILED
        if node.style is not None:
            return value
        resolved = resolve(value)
        # Nothing, put in for a variable, is empty text: it must not pass for an option left out.
        return value if resolved is None and value != text else resolved

    def _secret(self, name: str) -> str:
        """A file that holds a value, without the line end that editors add."""
        file = self._file.parent / name
        try:
            if not file.is_file():
                raise ValueError(f"there is no file {quoted(str(file))}")
            with file.open("rb") as stream:
                content = stream.read(MAX_SECRET_BYTES + 1)
            if len(content) > MAX_SECRET_BYTES:
                raise ValueError(f"the file {quoted(str(file))} is longer than {MAX_SECRET_BYTES} bytes")
            text = content.decode()
        except UnicodeDecodeError:
            raise ValueError(f"the file {quoted(str(file))} is not UTF-8") from None
        except OSError as error:
            raise ValueError(f"the file {quoted(str(file))} cannot be read: {error.strerror}") from None
        return text.removesuffix("\n").removesuffix("\r")
