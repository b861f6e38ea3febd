"""Where files live and how they are replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome, write_atomically
from compat_pipeline.ground.manifest_file import load_manifest


def test_the_cache_may_be_shared_while_the_rest_is_not(tmp_path: Path) -> None:
    home = CompatHome.from_env({"COMPAT_HOME": str(tmp_path / "home"), "COMPAT_CACHE": str(tmp_path / "cache")})
    assert (home.matrix.parent, home.cache) == (tmp_path / "home", tmp_path / "cache")


def test_a_write_that_fails_keeps_the_old_content_and_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "document"
    target.mkdir()
    (target / "kept").touch()
    with pytest.raises(CompatError, match=r"cannot write"):
        write_atomically(target, "new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["document"]


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CompatError, match=r"file"):
        write_atomically(tmp_path / "file" / "below" / "x", "content")


def test_a_manifest_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CompatError, match=r"cannot read the manifest .*absent\.yaml"):
        load_manifest({"COMPAT_MANIFEST": str(tmp_path / "absent.yaml")})


def test_the_packaged_manifest_plans_ninety_cells() -> None:
    assert len(load_manifest({}).of_set("v0").cells) == 90
