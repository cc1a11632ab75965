"""The languages that guests are written in: recipes of `sluice filter build`, and the tools that give the same bytes.

proxy.workshop.toolchains says how each is built, with whatever tools there are; here is which tools they have to be."""

from toolchains import assemblyscript, c, cpp, go, javascript, python, rust
from toolchains.pinned import Pinned

LANGUAGES: dict[str, Pinned] = {
    "assemblyscript": assemblyscript.LANGUAGE,
    "c": c.LANGUAGE,
    "cpp": cpp.LANGUAGE,
    "go": go.LANGUAGE,
    "javascript": javascript.LANGUAGE,
    "python": python.LANGUAGE,
    "rust": rust.LANGUAGE,
}

__all__ = ["LANGUAGES", "Pinned"]
