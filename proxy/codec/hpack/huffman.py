"""The Huffman code of string literals (RFC 7541 §5.2, Appendix B)."""

from __future__ import annotations

# Bits of the code of each byte, and last of EOS. The code is canonical: codes of the same length follow each other in
# the order of what they stand for, so the lengths say all of it.
_LENGTHS: tuple[int, ...] = (
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28,
    28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15,
    6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22,
    20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23,
    23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22,
    22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26,
    27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27,
    26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
)  # fmt: skip

_EOS = 256

_LONGEST_PADDING = 7


class HuffmanError(ValueError):
    """Not what an encoder makes: EOS within the string, or padding that is too long or not made of ones."""


def _codes() -> list[int]:
    codes = [0] * len(_LENGTHS)
    code = length = 0
    for symbol in sorted(range(len(_LENGTHS)), key=lambda symbol: (_LENGTHS[symbol], symbol)):
        code <<= _LENGTHS[symbol] - length
        length = _LENGTHS[symbol]
        codes[symbol] = code
        code += 1
    return codes


def _tree() -> list[list[int]]:
    """Nodes with what follows a 0 and a 1 bit: another node, or the symbol as its complement (~symbol). Node 0 is the
    root; nothing leads back to it."""
    nodes = [[0, 0]]
    for symbol, (code, length) in enumerate(zip(_codes(), _LENGTHS, strict=True)):
        node = 0
        for shift in range(length - 1, 0, -1):
            bit = code >> shift & 1
            if not nodes[node][bit]:
                nodes.append([0, 0])
                nodes[node][bit] = len(nodes) - 1
            node = nodes[node][bit]
        nodes[node][code & 1] = ~symbol
    return nodes


_BITS = tuple(f"{code:0{length}b}" for code, length in zip(_codes(), _LENGTHS, strict=True))
_NODES = _tree()


def _endings() -> frozenset[int]:
    """Nodes where a string may end: after up to seven bits of EOS, which are all ones."""
    node, endings = 0, [0]
    for _ in range(_LONGEST_PADDING):
        node = _NODES[node][1]
        endings.append(node)
    return frozenset(endings)


_ENDINGS = _endings()

_steps: dict[int, tuple[int, bytes]] = {}
"""By node << 8 | byte: the node that the byte leads to, and what was read on the way. Filled as it is needed; there are
no more than 65536."""


def encode(data: bytes) -> bytes:
    bits = "".join([_BITS[byte] for byte in data])
    size = (len(bits) + 7) // 8
    return int(bits.ljust(size * 8, "1") or "0", 2).to_bytes(size, "big")


def decode(data: bytes) -> bytes:
    """Raises HuffmanError."""
    node = 0
    pieces: list[bytes] = []
    for byte in data:
        step = _steps.get(node << 8 | byte)
        if step is None:
            step = _steps[node << 8 | byte] = _walk(node, byte)
        node, piece = step
        pieces.append(piece)
    if node not in _ENDINGS:
        raise HuffmanError("the padding of a Huffman string is not up to seven ones")
    return b"".join(pieces)


def _walk(node: int, byte: int) -> tuple[int, bytes]:
    read = bytearray()
    for shift in range(7, -1, -1):
        node = _NODES[node][byte >> shift & 1]
        if node < 0:
            symbol, node = ~node, 0
            if symbol == _EOS:
                raise HuffmanError("EOS in a Huffman string")
            read.append(symbol)
    return node, bytes(read)
