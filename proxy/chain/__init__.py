"""Stages linked into chains, and routes that choose one."""

from proxy.chain.stage import Handler, Stage, link

__all__ = ["Handler", "Stage", "link"]
