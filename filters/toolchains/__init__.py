"""The languages that guests are written in."""

from toolchains import assemblyscript, c, cpp, go, javascript, python, rust
from toolchains.language import Language, Source
from toolchains.tools import MissingTool

LANGUAGES: dict[str, Language] = {
    "assemblyscript": assemblyscript.LANGUAGE,
    "c": c.LANGUAGE,
    "cpp": cpp.LANGUAGE,
    "go": go.LANGUAGE,
    "javascript": javascript.LANGUAGE,
    "python": python.LANGUAGE,
    "rust": rust.LANGUAGE,
}

__all__ = ["LANGUAGES", "Language", "MissingTool", "Source"]
