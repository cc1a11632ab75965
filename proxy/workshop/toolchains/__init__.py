"""The languages that `sluice filter` knows."""

from proxy.workshop.toolchains import c, rust
from proxy.workshop.toolchains.language import Language
from proxy.workshop.toolchains.tools import BuildFailed, MissingTool

LANGUAGES: dict[str, Language] = {
    "c": c.LANGUAGE,
    "rust": rust.LANGUAGE,
}

__all__ = ["LANGUAGES", "BuildFailed", "Language", "MissingTool"]
