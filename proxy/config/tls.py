"""The options of TLS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from proxy.config.options import Options, beside_the_file


class Certificate(Options):
    """A certificate, and its key."""

    certificate: Path
    """A file in PEM with the certificate and, after it, those that lead to the root; relative to this file."""
    key: Path
    """A file in PEM with its private key, not encrypted; relative to this file."""

    @field_validator("certificate", "key")
    @classmethod
    def _beside_the_file(cls, path: Path, info: ValidationInfo) -> Path:
        return beside_the_file(path, info)


class ListenerTls(Options):
    """TLS, with clients."""

    certificates: Annotated[list[Certificate], Field(min_length=1)]
    """A client gets the first that has the host name it asks for (SNI), as it is or as *.example.com; the first of all
    when none has it."""
    min_version: Literal["TLSv1.2", "TLSv1.3"] = "TLSv1.2"
    """The oldest version of TLS that is spoken."""
