"""`sluice filter build`: from source to a component."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from proxy.workshop.build import build, language_of
from proxy.workshop.toolchains import BuildFailed, MissingTool


@click.command(name="build")
@click.argument("directory", required=False, default=".", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="DIRECTORY/its name.wasm, if absent."
)
def command(directory: Path, output: Path | None) -> None:
    """Build the filter in DIRECTORY (this one, if absent) into a component.

    Its language is known by its files. The toolchain is one that is installed; when there is none, you are told what
    to install. What comes out is a filter that this proxy accepts, or there is an error.

    Exits with 1 when the source does not build, with 3 when a tool is missing.
    """
    component = output or directory / f"{directory.resolve().name}.wasm"
    try:
        language = language_of(directory)
        description = build(directory, component)
    except MissingTool as missing:
        click.echo(str(missing), err=True)
        sys.exit(3)
    except (BuildFailed, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    click.echo(f"{component}: {', '.join(description.world)}, from {language.title}, {description.size:,} bytes")
    if description.grants:
        click.echo(f"it needs `grants: [{', '.join(description.grants)}]` in the configuration")
