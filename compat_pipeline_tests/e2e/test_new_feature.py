"""Adding a feature takes three steps: an entry, a folder of test files, a reason where it cannot apply."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import compat_pipeline
from compat_pipeline_tests.e2e.conftest import Site, make_site

PROBE = '''"""Made up for the test: an echo."""

from compat_pipeline.suite.cell_run import CellRun, prove


def probe(run: CellRun):
    nonce = run.nonce()
    talk = run.converse(nonce, f"Reply with exactly this code and nothing else: {nonce}")
    prove(talk.result.text == nonce, f"heard {talk.result.text}")
    return run.passed()
'''
TEST = """from compat_pipeline.suite.echo.probe import probe


def test_echo(compat, compat_result):
    compat_result.set(probe(compat))
"""
NOT_APPLICABLE = """def test_echo(cell, compat_result):
    compat_result.set({"status": "not_applicable", "reason": "Azure has no echo."})
"""


def add_feature(package: Path) -> None:
    """The three steps."""
    manifest = package / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace("features:\n", "features:\n  - {id: echo, name: Echo}\n"))
    folder = package / "suite" / "echo"
    folder.mkdir()
    for name, content in {
        "__init__.py": "",
        "probe.py": PROBE,
        "test_anthropic.py": TEST,
        "test_bedrock_converse.py": TEST,
        "test_azure.py": NOT_APPLICABLE,
    }.items():
        (folder / name).write_text(content)


def row(site: Site, feature: str) -> dict[str, dict[str, str]]:
    matrix = json.loads(site.home.matrix.read_text())
    providers: dict[str, dict[str, str]] = next(one for one in matrix["features"] if one["id"] == feature)["providers"]
    return providers


def test_a_made_up_feature_gets_its_row(tmp_path: Path, shared_cache: Path) -> None:
    package = tmp_path / "source" / "compat_pipeline"
    shutil.copytree(Path(compat_pipeline.__file__).parent, package)
    shutil.copy(Path(__file__).parents[2] / "dagster.yaml", package.parent)
    add_feature(package)
    site = make_site(tmp_path, shared_cache, PYTHONPATH=str(package.parent))
    done = site.run("python", "-m", "compat_pipeline", "run", "--cells", "echo|*")
    assert done.returncode == 0, done.stdout + done.stderr
    assert row(site, "echo") == {
        "anthropic": {"status": "pass"},
        "bedrock_invoke": {"status": "not_tested"},
        "bedrock_converse": {"status": "pass"},
        "vertex_ai": {"status": "not_tested"},
        "azure": {"status": "not_applicable", "reason": "Azure has no echo."},
    }
