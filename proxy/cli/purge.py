"""`sluice purge`: take away what is in the caches of a proxy that runs."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from proxy.cache.purge import BadPurge, Purge
from proxy.cli.admin import AdminRefused, demand
from proxy.config.errors import ConfigErrors
from proxy.config.loader import load


@click.command(name="purge")
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("urls", nargs=-1, metavar="[URL]...")
@click.option("--tag", "tags", multiple=True, help="What has this surrogate key.")
@click.option("--prefix", "prefixes", multiple=True, metavar="URL", help="What has a URL that begins so.")
@click.option("--all", "everything", is_flag=True, help="Everything.")
@click.option("--soft", is_flag=True, help="It becomes stale: validated, or used where stale responses may be.")
@click.option("--cache", "caches", multiple=True, metavar="NAME", help="In this cache; in all when not given.")
def command(
    config: Path,
    urls: tuple[str, ...],
    tags: tuple[str, ...],
    prefixes: tuple[str, ...],
    everything: bool,
    soft: bool,
    caches: tuple[str, ...],
) -> None:
    """Purge the caches of the proxy that runs CONFIG, through its admin listener.

    It is done when the command ends with status 0: nothing that the origin was asked for before is served any more.
    URLs are absolute, as the cache sees them; all variants of each go.
    """
    try:
        purge = Purge(urls, tags, prefixes, everything, soft, caches)
        admin = load(config).config.admin
        answer = demand(admin, "/purge", asdict(purge))
    except (BadPurge, ConfigErrors, AdminRefused) as error:
        click.echo(str(error), err=True)
        sys.exit(1 if isinstance(error, AdminRefused) else 2)
    what = ["everything"] if everything else [*urls, *(f"tag {tag}" for tag in tags), *(f"{p}*" for p in prefixes)]
    where = ", ".join(answer["caches"]) or "no cache"
    click.echo(f"{'made stale' if soft else 'purged'} in {where}: {', '.join(what)}")
