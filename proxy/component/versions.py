"""Interface names and which of them stand for each other (component-model, Explainer.md, canonical interface names)."""

from __future__ import annotations

from collections.abc import Iterable


def split(name: str) -> tuple[str, str]:
    """An interface name without its version, and the version, empty when there is none."""
    base, _, version = name.partition("@")
    return base, version


def track(version: str) -> str:
    """What versions must share to be compatible: the first number that is not zero and what is before it. A pre-release
    is compatible with itself alone."""
    if "-" in version:
        return version
    numbers = version.partition("+")[0].split(".")
    kept: list[str] = []
    for number in numbers:
        kept.append(number)
        if number != "0":
            break
    return ".".join(kept)


def compatible(wanted: str, offered: Iterable[str]) -> str | None:
    """The offered interface that serves where `wanted` is imported; itself if it is there."""
    names = list(offered)
    if wanted in names:
        return wanted
    base, version = split(wanted)
    if not version:
        return None
    for name in names:
        other, offered_version = split(name)
        if other == base and offered_version and track(offered_version) == track(version):
            return name
    return None
