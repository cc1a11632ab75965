"""Paths of guests stay below the directory they begin in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.wasi.files import Folder, Open, open_at, open_folder


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Open]:
    """base/ holds file, inner/deep and links; secret is beside it."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "base/inner").mkdir(parents=True)
    (tmp_path / "base/file").write_text("file")
    (tmp_path / "base/inner/deep").write_text("deep")
    links = {
        "near": "file",
        "up": "..",
        "out": "../secret",
        "root": "/etc/passwd",
        "self": "self",
        "in": "inner/../file",
    }
    for name, target in links.items():
        (tmp_path / "base" / name).symlink_to(target)
    (tmp_path / "base/inner/back").symlink_to("../file")
    os.mkfifo(tmp_path / "base/pipe")
    opened = open_folder(Folder(str(tmp_path / "base"), "/", write=False))
    yield opened
    opened.close()


def read(base: Open, path: str, *, follow: bool = True) -> str:
    opened = open_at(base, path, os.O_RDONLY, follow=follow, write=False)
    try:
        return os.read(opened.descriptor, 100).decode()
    finally:
        opened.close()


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("file", "file"), ("./file", "file"), ("inner/../file", "file"), ("inner//deep", "deep"), ("near", "file"),
        ("in", "file"), ("inner/back", "file"),
    ],
)  # fmt: skip
def test_below(base: Open, path: str, content: str) -> None:
    assert read(base, path) == content


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("../secret", PermissionError), ("inner/../../secret", PermissionError), ("out", PermissionError),
        ("up/secret", PermissionError), ("/etc/passwd", PermissionError), ("root", PermissionError),
        ("file\0", PermissionError), ("pipe", PermissionError), ("self", OSError), ("none", FileNotFoundError),
        ("file/x", NotADirectoryError), ("a/" * 200, OSError), ("x" * 5000, OSError),
    ],
)  # fmt: skip
def test_not_out(base: Open, path: str, error: type[OSError]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(error):
        read(base, path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_link_at_the_end_is_followed_when_asked(base: Open) -> None:
    with pytest.raises(OSError, match="near"):
        read(base, "near", follow=False)


def test_the_directory_itself(base: Open) -> None:
    for path in (".", "", "inner/..", "./"):
        opened = open_at(base, path, os.O_RDONLY, follow=True, write=False)
        assert os.fstat(opened.descriptor).st_ino == os.fstat(base.descriptor).st_ino
        opened.close()


STEPS = st.sampled_from(
    ["..", ".", "", "inner", "file", "deep", "near", "up", "out", "root", "self", "in", "back", "x"]
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, max_size=6).map("/".join))
def test_no_path_leads_out(base: Open, path: str) -> None:
    try:
        assert read(base, path) in ("file", "deep")
    except OSError:
        return
