"""The options of TLS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from proxy.config.options import Options, beside_the_file
from proxy.config.values import ServerName


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
    client_ca: Path | None = None
    """A file in PEM with authorities, one of which has to vouch for a certificate that each client shows; relative to
    this file. Clients are not asked for one when absent."""
    verify_client: Literal["required", "optional"] = "required"
    """With client_ca, whether a client may also show none. One that nobody vouches for is refused in any case."""
    forward_client_cert: bool = False
    """Filters and origins are told the certificate in the field Client-Cert (RFC 9440). What clients themselves say in
    it is then removed, on all listeners."""
    min_version: Literal["TLSv1.2", "TLSv1.3"] = "TLSv1.2"
    """The oldest version of TLS that is spoken."""

    @field_validator("client_ca")
    @classmethod
    def _beside_the_file(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        return None if path is None else beside_the_file(path, info)

    @model_validator(mode="after")
    def _fits_together(self) -> ListenerTls:
        if self.client_ca is None and (self.verify_client == "optional" or self.forward_client_cert):
            raise ValueError("verify_client and forward_client_cert need a client_ca, for clients to be asked at all")
        return self


class UpstreamTls(Options):
    """TLS, with origins."""

    ca: Path | None = None
    """A file in PEM with the authorities that vouch for the endpoints, instead of those of the system; relative to this
    file."""
    server_name: ServerName | None = None
    """The name that the certificate has to be for, which is also asked for (SNI). By default the endpoint's host."""
    verify: bool = True
    """false: whoever answers is taken for the origin."""
    certificate: Path | None = None
    """A file in PEM with the certificate that we show, where the endpoints ask for one; relative to this file."""
    key: Path | None = None
    """A file in PEM with its private key, not encrypted; relative to this file."""
    min_version: Literal["TLSv1.2", "TLSv1.3"] = "TLSv1.2"
    """The oldest version of TLS that is spoken."""

    @field_validator("ca", "certificate", "key")
    @classmethod
    def _beside_the_file(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        return None if path is None else beside_the_file(path, info)

    @model_validator(mode="after")
    def _fits_together(self) -> UpstreamTls:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        if not self.verify and (self.ca is not None or self.server_name is not None):
            raise ValueError("with verify: false, ca and server_name have no effect")
        return self
