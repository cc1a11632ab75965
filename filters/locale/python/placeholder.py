"""Replacing a placeholder in a text that comes in chunks."""

PLACEHOLDER = b"{{language}}"


class Replacer:
    def __init__(self, replacement: bytes) -> None:
        self._replacement = replacement
        self._held = b""
        """The end of what came so far when it may be the beginning of a placeholder."""

    def push(self, chunk: bytes) -> bytes:
        *whole, rest = (self._held + chunk).split(PLACEHOLDER)
        end = len(rest) - begun(rest)
        self._held = rest[end:]
        return self._replacement.join([*whole, rest[:end]])

    def finish(self) -> bytes:
        held, self._held = self._held, b""
        return held


def begun(text: bytes) -> int:
    """How many bytes at the end of the text are the beginning of a placeholder."""
    lengths = range(len(PLACEHOLDER) - 1, 0, -1)
    return next((length for length in lengths if text.endswith(PLACEHOLDER[:length])), 0)
