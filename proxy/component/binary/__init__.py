"""The component binary format (component-model, design/mvp/Binary.md): bytes to definitions, nothing resolved."""

from proxy.component.binary.decoder import decode_definitions
from proxy.component.binary.reader import DecodeError, Reader

__all__ = ["DecodeError", "Reader", "decode_definitions"]
