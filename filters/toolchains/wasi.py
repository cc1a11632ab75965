"""The WIT of WASI 0.3, as the crate wasip3 brings it in the version that a lock file says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from proxy.workshop.toolchains.tools import need, run


def package(world: Path, locked: Path, scratch: Path) -> Path:
    """A WIT package of the file `world`, with WASI among its dependencies. `locked`: a package of Rust that depends on
    wasip3, for its Cargo.lock."""
    cargo = need("cargo", "install Rust")
    told = run("asking cargo", cargo, "metadata", "--format-version=1", "--locked", folder=locked)
    crates = json.loads(told)["packages"]
    crate = next(Path(each["manifest_path"]).parent for each in crates if each["name"] == "wasip3")
    wit = scratch / "wit"
    shutil.copytree(crate / "wit/deps", wit / "deps", dirs_exist_ok=True)
    shutil.copy(world, wit)
    return wit
