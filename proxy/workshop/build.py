"""From a folder with source to a component that is a filter."""

from __future__ import annotations

import tempfile
from pathlib import Path

from proxy.component import DecodeError
from proxy.workshop.description import Description, describe
from proxy.workshop.toolchains import LANGUAGES, BuildFailed, Language, Source

SCRATCH = "target"
"""What is kept there makes the next build quicker; a folder of that name is kept where the language has it so."""


def language_of(folder: Path) -> Language:
    """Raises BuildFailed."""
    found = [language for language in LANGUAGES.values() if any(folder.glob(language.mark))]
    if not found:
        marks = ", ".join(f"{language.mark} ({language.title})" for language in LANGUAGES.values())
        raise BuildFailed(f"{folder}: there is no filter here: none of {marks}; `sluice filter new` begins one")
    return found[0]


def build(folder: Path, component: Path) -> Description:
    """Makes the component, and looks whether it is a filter. Raises MissingTool and BuildFailed; then `component` is as
    it was."""
    language = language_of(folder)
    with tempfile.TemporaryDirectory() as temporary:
        whole = folder.resolve()
        scratch = whole / SCRATCH if f"{SCRATCH}/" in language.leaves else Path(temporary)
        made = Path(temporary) / "made.wasm"
        language.build(Source(whole, scratch, whole / "wit"), made)
        data = made.read_bytes()
    try:
        description = describe(data)
    except DecodeError as error:
        raise BuildFailed(f"what was built is not a component that this proxy can read: {error}") from None
    if description.problems:
        raise BuildFailed("what was built is refused by this proxy: " + "; ".join(description.problems))
    component.write_bytes(data)
    return description
