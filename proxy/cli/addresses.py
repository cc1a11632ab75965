"""host:port on the command line."""

from __future__ import annotations

from typing import Any

import click

from proxy.config.values import Address, parse_address

__all__ = ["ADDRESS", "Address"]


class _AddressType(click.ParamType[Address]):
    name = "host:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        try:
            return parse_address(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


ADDRESS = _AddressType()
