"""Files that people write: what is told of one that is no text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from compat_pipeline.ground.acknowledged_file import load_acknowledged
from compat_pipeline.ground.environment_files import load_environment_issues, load_environments
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.manifest_file import load_manifest


@pytest.mark.parametrize(
    ("variable", "load"),
    [
        ("COMPAT_MANIFEST", load_manifest),
        ("COMPAT_ENVIRONMENTS", load_environments),
        ("COMPAT_ENVIRONMENT_ISSUES", load_environment_issues),
        ("COMPAT_ACKNOWLEDGED", load_acknowledged),
    ],
)
def test_a_file_that_is_not_utf_8_is_named(
    tmp_path: Path, variable: str, load: Callable[[Mapping[str, str]], object]
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes("name: Bücher".encode("latin-1"))
    with pytest.raises(CompatError, match="it is not UTF-8") as caught:
        load({variable: str(path)})
    assert str(path) in caught.value.message
    assert caught.value.next_step == "save it as UTF-8"
