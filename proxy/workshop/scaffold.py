"""Begins a filter: copies the template of a language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from proxy.workshop.toolchains import LANGUAGES

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
SUFFIX = ".in"
"""Of a template that would be taken for source of this package; it goes away."""


class Refused(ValueError):
    """A filter cannot be begun there. The text says why."""


def begin(name: str, language: str, folder: Path) -> list[Path]:
    """Makes `folder` with a filter in it that builds and passes its test. Returns what it wrote. Raises Refused and
    OSError."""
    if not NAME.fullmatch(name) or len(name) > 64:
        raise Refused(
            f"{name!r} is no name for a filter: lower-case letters, digits and single hyphens, a letter first"
        )
    if folder.exists():
        raise Refused(f"{folder} exists already")
    known = LANGUAGES[language]
    words = {"name": name, "title": known.title, "code": known.code}
    root = files("proxy.workshop") / "templates"
    written = []
    for template in (root / "every", root / language):
        for path, file in _files(template):
            target = folder / _filled(path, words).removesuffix(SUFFIX)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(_content(file, words))
            written.append(target)
    ignored = folder / ".gitignore"
    ignored.write_text("".join(f"{each}\n" for each in ("*.wasm", *known.leaves)))
    return sorted([*written, ignored])


def _files(folder: Traversable, above: str = "") -> Iterator[tuple[str, Traversable]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _files(each, f"{above}{each.name}/")
        else:
            yield above + each.name, each


def _content(file: Traversable, words: dict[str, str]) -> bytes:
    content = file.read_bytes()
    try:
        return _filled(content.decode(), words).encode()
    except UnicodeDecodeError:
        return content  # an object file


def _filled(text: str, words: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: words.get(match[1], match[0]), text)
