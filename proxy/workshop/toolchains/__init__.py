"""The languages that `sluice filter` knows."""

from proxy.workshop.toolchains import assemblyscript, c, cpp, go, javascript, python, rust
from proxy.workshop.toolchains.language import Language, Source
from proxy.workshop.toolchains.tools import BuildFailed, MissingTool

LANGUAGES: dict[str, Language] = {
    "assemblyscript": assemblyscript.LANGUAGE,
    "c": c.LANGUAGE,
    "cpp": cpp.LANGUAGE,
    "go": go.LANGUAGE,
    "javascript": javascript.LANGUAGE,
    "python": python.LANGUAGE,
    "rust": rust.LANGUAGE,
}

__all__ = ["LANGUAGES", "BuildFailed", "Language", "MissingTool", "Source"]
