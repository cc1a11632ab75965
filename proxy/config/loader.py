"""Reads a configuration: from a YAML file to a Config, or to every mistake in it with its place."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from proxy.config.checks import Draft, check
from proxy.config.document import Document, Place, Places, read
from proxy.config.errors import ConfigError, ConfigErrors, Finding, Path, did_you_mean, quoted, show_path
from proxy.config.messages import finding, path_of
from proxy.config.model import Admin, Config, Listener, Route

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A configuration and where it came from."""

    path: FilePath
    config: Config
    places: Places
    text: str
    """What stood in the file."""

    def position(self, path: Path) -> tuple[int, int]:
        """Line and column, from 1, of the value at this path, or of what is nearest above it."""
        return nearest(self.places, path).value

    def error(self, path: Path, message: str) -> ConfigError:
        """A mistake that was found later, in what this path says."""
        return located(str(self.path), self.places, Finding(path, message))


def load(
    path: str | os.PathLike[str], environment: Mapping[str, str] = os.environ, *, text: str | None = None
) -> ConfigFile:
    """Reads and checks a file. Raises ConfigErrors with all that is wrong with it. text: what stood in it before."""
    file = FilePath(path)
    document = read(file, environment, text=text)
    _take_text_as_written(document)
    found: list[Finding] = []
    config = _valid(Config, document.data, file.parent, found)
    found += check(_draft(document.data, file.parent))
    found += _missing_components(document.data, file.parent)
    raise_errors(file, document, found)
    assert config is not None, "or something was found"
    return ConfigFile(file, config, document.places, document.text)


def raise_errors(file: FilePath, document: Document, found: Iterable[Finding]) -> None:
    """Raises ConfigErrors with these and the document's own, if there are any."""
    errors = [located(str(file), document.places, each) for each in found if not document.is_broken(each.path)]
    if errors or document.errors:
        raise ConfigErrors([*document.errors, *errors])


def located(file: str, places: Places, found: Finding) -> ConfigError:
    place = nearest(places, found.path)
    position = place.value if found.path in places and not found.key else place.key
    return ConfigError(file, *position, show_path(found.path), found.message)


def nearest(places: Places, path: Path) -> Place:
    """Of the value at this path, or of what is nearest above it."""
    while path not in places:
        path = path[:-1]
    return places[path]


def _take_text_as_written(document: Document) -> None:
    """Where an option is text, a plain scalar is what was written: 1.10 in a header is not 1.1."""
    try:
        Config.model_validate(document.data)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_context=False):
            path = path_of(each["loc"])
            if each["type"] == "string_type" and path in document.written:
                parent: Any = document.data
                for step in path[:-1]:
                    parent = parent[step]
                parent[path[-1]] = document.written[path]


def _valid(model: type[_Model], data: Any, directory: FilePath, found: list[Finding]) -> _Model | None:
    try:
        return model.model_validate(data, context={"directory": directory})
    except ValidationError as error:
        found += [finding(each) for each in error.errors(include_url=False)]
        return None


def _items(data: Any) -> Iterable[tuple[Any, Any]]:
    return enumerate(data) if isinstance(data, list) else data.items() if isinstance(data, dict) else ()


def _parts(model: type[_Model], data: Any, directory: FilePath) -> Iterator[tuple[Any, _Model]]:
    """What is valid in itself of a list or mapping of these, by index or name."""
    for key, each in _items(data):
        part = _valid(model, each, directory, [])
        if part is not None:
            yield key, part


def _names(data: Any) -> list[str]:
    return list(data) if isinstance(data, dict) else []


def _draft(data: dict[str, Any], directory: FilePath) -> Draft:
    return Draft(
        listeners=dict(_parts(Listener, data.get("listeners"), directory)),
        admin=_valid(Admin, data.get("admin"), directory, []),
        upstreams=_names(data.get("upstreams")),
        filters=_names(data.get("filters")),
        routes=dict(_parts(Route, data.get("routes"), directory)),
    )


def _missing_components(data: dict[str, Any], directory: FilePath) -> Iterator[Finding]:
    for name, each in _items(data.get("filters")):
        component = each.get("component") if isinstance(each, dict) else None
        if not isinstance(component, str):
            continue
        file = directory / component
        try:
            if file.is_file():
                continue
            beside = [other.name for other in file.parent.glob("*.wasm")]
        except (OSError, ValueError):
            beside = []
        message = f"there is no file {quoted(str(file))}{did_you_mean(file.name, beside)}"
        yield Finding(("filters", name, "component"), message)
