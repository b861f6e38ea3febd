"""`compat doctor`: what it finds, and that it shows no secret and writes nothing."""

from __future__ import annotations

import json
import re
import shutil
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest

from compat_pipeline.command.checks import Finding, findings
from compat_pipeline.command.main import main
from compat_pipeline.command.settings import SETTINGS, settings
from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.details import build_details, dump_details
from compat_pipeline.domain.verdict import judge
from compat_pipeline.ground.exit_codes import WRONG_USAGE
from compat_pipeline.ground.home import CompatHome, write_atomically
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline_tests.domain.samples import PASS, observe

ROOT = Path(__file__).parents[2]
SECRET = "kGz8vLq2YpXw0123"
CELL = Cell("tool_use", "anthropic", "claude-sonnet-4-6")
LIVE = {"COMPAT_UPSTREAM": "live", "ANTHROPIC_API_KEY": SECRET}


@pytest.fixture
def sound(tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing is a problem."""
    return {"COMPAT_HOME": str(tmp_path / "home"), "PATH": "/usr/local/bin:/usr/bin:/bin"}


def about(environ: dict[str, str], what: str) -> list[Finding]:
    return [one for one in findings(environ) if one.about == what]


def test_a_fresh_machine_is_sound_and_stays_as_it_is(sound: dict[str, str], tmp_path: Path) -> None:
    assert [one for one in findings(sound) if one.level == "problem"] == []
    assert list(tmp_path.iterdir()) == []


def test_the_history_that_is_named_is_neither_opened_nor_created(sound: dict[str, str], tmp_path: Path) -> None:
    named = sound | {"COMPAT_HISTORY_URL": f"sqlite:///{tmp_path / 'deep' / 'history.db'}"}
    assert [one for one in findings(named) if one.level == "problem"] == []
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_without_a_row_of_the_matrix_is_named_with_its_setting(
    sound: dict[str, str], tmp_path: Path
) -> None:
    mine = tmp_path / "mine.yaml"
    rows = {"features": [{"id": "vision", "name": "Vision", "set": "all"}]}
    mine.write_text(json.dumps(load_manifest(sound).model_dump(mode="json") | rows))
    (problem,) = [one for one in findings(sound | {"COMPAT_MANIFEST": str(mine)}) if one.level == "problem"]
    assert problem.told == f"the manifest {mine} has no row of the set 'v0'"
    assert "COMPAT_FEATURES" in problem.next_step


def test_settings_are_told_with_where_they_come_from(sound: dict[str, str]) -> None:
    held = {one.name: (one.value, one.source) for one in settings(sound | {"COMPAT_FEATURES": "all"})}
    assert held["COMPAT_FEATURES"] == ("all", "environment")
    assert held["COMPAT_STALE_DAYS"] == ("7", "default")


def test_no_secret_is_shown(sound: dict[str, str]) -> None:
    environ = sound | LIVE | {
        "COMPAT_ALERT_WEBHOOK": f"https://hooks.example/{SECRET}",
        "COMPAT_DOCS_GITHUB": "acme/docs",
        "COMPAT_DOCS_TOKEN": SECRET,
        "COMPAT_GITHUB_TOKEN": SECRET,
        "COMPAT_HISTORY_URL": f"postgresql+psycopg://user:{SECRET}@db:5432/compat?password={SECRET}",
        "COMPAT_BASELINE": f"https://user:{SECRET}@docs.example/matrix.json?token={SECRET}",
        "HTTPS_PROXY": f"http://user:{SECRET}@proxy:3128",
        "COMPAT_DOCS_TOKN": SECRET,
    }  # fmt: skip
    told = f"{settings(environ)} {findings(environ)}"
    assert SECRET not in told
    held = {one.name: one.value for one in settings(environ)}
    assert (held["COMPAT_DOCS_TOKEN"], held["COMPAT_ALERT_WEBHOOK"]) == ("set", "set")
    assert held["COMPAT_HISTORY_URL"] == "postgresql+psycopg://db:5432/compat"
    assert held["COMPAT_BASELINE"] == "https://docs.example/matrix.json"


@pytest.mark.parametrize("password", ["4711/geheim", "/geheim", "12#geheim", "12?geheim", "p@12/geheim"])
@pytest.mark.parametrize("setting", ["COMPAT_HISTORY_URL", "COMPAT_BASELINE"])
def test_a_password_that_is_not_quoted_is_not_taken_for_a_part_of_the_address(setting: str, password: str) -> None:
    held = {one.name: one.value for one in settings({setting: f"postgresql://compat:{password}@db/compat"})}
    assert held[setting] == "set"


def test_every_setting_and_its_default_is_the_readmes() -> None:
    readme = (ROOT / "README.md").read_text().partition("\n## Settings\n")[2].partition("\n## ")[0]
    listed = {
        name: default.strip().replace("`", "")
        for names, default in re.findall(r"^\| (`COMPAT_[^|]+) \|[^\n]*\| ([^|]+) \|$", readme, re.MULTILINE)
        for name in re.findall(r"COMPAT_\w+", names)
    }
    assert listed.keys() == SETTINGS.keys()
    differing = {name for name in SETTINGS if listed[name] != SETTINGS[name]}
    assert differing == {"COMPAT_SCHEDULE_HOUR", "COMPAT_TIME_ZONE"}  # one line for both


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("COMPAT_UPSTREAM", "real", "there are no 'real' upstreams"),
        ("COMPAT_FEATURES", "v9", "there is no set of features 'v9'"),
        ("COMPAT_HISTORY_URL", "mysql://user@db/compat", "mysql is neither sqlite nor postgresql"),
        ("COMPAT_HISTORY_URL", "/proc", "the history /proc cannot be written"),
        ("COMPAT_HISTORY_URL", "sqlite:////proc/version/x.db", "the history /proc/version/x.db cannot be written"),
        ("COMPAT_EVIDENCE_DAYS", "soon", "COMPAT_EVIDENCE_DAYS is 'soon'"),
        ("COMPAT_CACHE_DAYS", "0.5", "COMPAT_CACHE_DAYS is 0.5"),
        ("COMPAT_TIME_ZONE", "Mars/Base", "COMPAT_TIME_ZONE is 'Mars/Base'"),
        ("COMPAT_LITELLM_SOURCE", "pypi", "COMPAT_LITELLM_SOURCE cannot be 'pypi'"),
        ("COMPAT_DOCS_REFRESH_HOURS", "-1", "which is no number of hours"),
        ("COMPAT_GATE_CELLS", "visoin|*", "no cell matches 'visoin|*'"),
        ("COMPAT_BASELINE", "/nowhere.json", "COMPAT_BASELINE names no file"),
        ("COMPAT_MANIFEST", "/nowhere.yaml", "cannot read the manifest /nowhere.yaml"),
        ("COMPAT_ENVIRONMENTS", "/nowhere.yaml", "cannot read the manifest /nowhere.yaml"),
        ("COMPAT_ENVIRONMENT_ISSUES", "/nowhere.yaml", "cannot read the known issues /nowhere.yaml"),
        ("COMPAT_ACKNOWLEDGED", "/nowhere.yaml", "cannot read the acknowledgements /nowhere.yaml"),
        ("COMPAT_DOCS_GITHUB", "docs", "COMPAT_DOCS_GITHUB does not name a repository"),
        ("COMPAT_DOCS_GITHUB", "acme/docs", "no credentials for acme/docs"),
        ("COMPAT_DOCS_REPO", "/proc/version", "/proc/version cannot be written"),
        ("COMPAT_DOCS_REPO", "/proc/version/docs", "/proc/version/docs cannot be written"),
        ("COMPAT_DOCS_PATH", "notes.md", "COMPAT_DOCS_PATH may not be 'notes.md'"),
        ("COMPAT_DOCS_BRANCH", "gh-pages", "COMPAT_DOCS_BRANCH without COMPAT_DOCS_GITHUB"),
        ("COMPAT_DOCS_MODE", "force", "COMPAT_DOCS_MODE without COMPAT_DOCS_GITHUB"),
        ("COMPAT_LITELLM_VERSION", "path:/nowhere", "there is no folder /nowhere"),
        ("COMPAT_LITELLM_VERSION", "nonsense!", "'nonsense!' is not a final LiteLLM release tag"),
        ("COMPAT_LITELLM_VERSION", "1.82.7", "LiteLLM 1.82.7 must not be installed"),
        ("COMPAT_LITELLM_VERSION", "path:~nobody.here/x", "there is no folder ~nobody.here/x"),
        ("COMPAT_CACHE", "/proc/version/cache", "/proc/version/cache cannot be written"),
        ("SSL_CERT_FILE", "/nowhere.pem", "SSL_CERT_FILE names no file"),
        ("PATH", "/nowhere", "git is not found"),
    ],
)
def test_what_a_run_would_stumble_over_is_one_problem_with_its_place(
    sound: dict[str, str], variable: str, value: str, told: str
) -> None:
    (problem,) = [one for one in findings(sound | {variable: value}) if one.level == "problem"]
    assert told in problem.told


def test_a_misspelt_setting_is_noted_with_the_one_that_was_meant(sound: dict[str, str]) -> None:
    note = Finding("settings", "note", "COMPAT_UPSTREM is no setting", "did you mean COMPAT_UPSTREAM?")
    assert note in findings(sound | {"COMPAT_UPSTREM": "live"})


def test_live_accounts_are_told_provider_by_provider(sound: dict[str, str]) -> None:
    found = about(sound | LIVE, "providers")
    assert [one.told.partition(":")[0] for one in found if one.level == "ok"] == ["anthropic"]
    assert "azure: AZURE_API_KEY and AZURE_API_BASE are not set" in [one.told for one in found]
    (problem,) = [one for one in about(sound | {"COMPAT_UPSTREAM": "live"}, "providers") if one.level == "problem"]
    assert "no account at all" in problem.told


def test_emulated_providers_cost_nothing(sound: dict[str, str]) -> None:
    assert [one.told for one in about(sound, "cost")] == ["nothing: emulated providers are free"]


def test_what_live_cells_would_spend_is_told_from_the_last_run(sound: dict[str, str]) -> None:
    home = CompatHome.from_env(sound | LIVE)
    (unknown,) = about(sound | LIVE, "cost")
    assert unknown.told == "18 cells would ask providers; there is no earlier run to estimate from"
    seen = [observe(PASS, cell=CELL), observe(PASS, cell=Cell("tool_use", "azure", "claude-sonnet-4-6"))]
    details = build_details(
        load_manifest(sound),
        {one.cell: judge([one]) for one in seen},
        upstream="live",
        litellm_version="1.106.2",
        claude_code_version="2.1.329",
        suite_revision="r",
        generated_at=datetime.now(timezone.utc),
        acknowledged=(),
        last_proven={},
        withheld={},
    )
    write_atomically(home.details, dump_details(details))
    (cost,) = about(sound | LIVE | {"COMPAT_BUDGET_USD": "5"}, "cost")
    assert cost.told == (
        "as in the last run: 1 cell(s), 2 calls, tokens: 120 in, 900 from cache, 0 to cache, 8 out, "
        "0.01 USD by estimate; nothing is known of 17 more; the run ends at a budget of 5 USD"
    )


def test_acknowledgements_that_end_are_noted(sound: dict[str, str], tmp_path: Path) -> None:
    today = datetime.now(timezone.utc).date()
    entry = "- {{cell: 'vision|azure/{}', owner: me, issue: 'https://example.org/1', reason: lost, expires: {}}}\n"
    days = {"a": today - timedelta(days=1), "b": today + timedelta(days=3), "c": today + timedelta(days=90)}
    listed = tmp_path / "acknowledged.yaml"
    listed.write_text("".join(entry.format(model, day) for model, day in days.items()))
    *notes, whole = about(sound | {"COMPAT_ACKNOWLEDGED": str(listed)}, "known reds")
    assert [one.told for one in notes] == [
        f"'vision|azure/a' (me) expired on {days['a']}",
        f"'vision|azure/b' (me) expires on {days['b']}",
    ]
    assert whole.told == f"3 acknowledged, the next expires on {days['b']}"


def test_a_docs_repository_is_told_with_who_may_write_there(sound: dict[str, str]) -> None:
    docs = {"COMPAT_DOCS_GITHUB": "acme/docs", "COMPAT_DOCS_TOKEN": SECRET}
    assert [(one.level, one.told.partition(";")[0]) for one in about(sound | docs, "docs repository")] == [
        ("ok", "acme/docs on GitHub, compatibility-matrix.json, by push"),
        ("ok", "the credentials are set: by a token"),
        ("note", "a matrix of emulated providers is not published there"),
    ]


def test_a_full_disk_is_a_problem(sound: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    home, cache = about(sound, "folders")
    assert (home.level, cache.level) == ("problem", "note")
    assert "only 1 MB are free" in home.told


def test_what_is_in_the_cache_needs_no_download(sound: dict[str, str]) -> None:
    cache = CompatHome.from_env(sound).cache
    pinned = sound | {"COMPAT_LITELLM_VERSION": "v1.98.1", "COMPAT_CLAUDE_CODE_VERSION": "2.1.329"}
    assert ["is to be downloaded" in one.told for one in about(pinned, "downloads")] == [True, True]
    write_atomically(cache / "litellm" / "venvs" / "1.98.1-0123456789ab-ba9876543210" / ".complete", "")
    write_atomically(cache / "claude" / "2.1.329-0123456789abcdef" / "stamp.json", "")
    assert [one.told for one in about(pinned, "downloads")] == [
        "LiteLLM v1.98.1 is in the cache",
        "Claude Code 2.1.329 is in the cache",
    ]


@pytest.mark.parametrize(
    ("asked", "fate"),
    [
        ("1.98", "asked for on each full run"),
        ("latest", "asked for on each full run"),
        ("v1.83.14", "to be downloaded"),
        ("1.98.0", "to be downloaded"),
    ],
)
def test_only_what_names_no_version_is_asked_for_on_each_run(sound: dict[str, str], asked: str, fate: str) -> None:
    write_atomically(CompatHome.from_env(sound).cache / "litellm" / "venvs" / "1.98.1-0123456789ab" / ".complete", "")
    litellm, _ = about(sound | {"COMPAT_LITELLM_VERSION": asked}, "downloads")
    assert litellm.told.startswith(f"LiteLLM {asked} is {fate}")
    assert litellm.told.endswith("in the cache: 1.98.1")


def test_a_folder_that_cannot_even_be_looked_at_is_told_with_all_the_rest(
    sound: dict[str, str], tmp_path: Path
) -> None:
    too_long = str(tmp_path / ("x" * 300))
    found = findings(sound | {"COMPAT_HOME": too_long})
    problems = [one for one in found if one.level == "problem"]
    assert f"cannot use {too_long}: File name too long" in [one.told for one in problems]
    assert {"cells", "programs", "alerts"} <= {one.about for one in found}


def test_the_command_ends_with_two_for_a_problem_and_gives_programs_the_same(
    sound: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMPAT_HOME", sound["COMPAT_HOME"])
    for value, code in (("30", 0), ("soon", WRONG_USAGE)):
        monkeypatch.setenv("COMPAT_EVIDENCE_DAYS", value)
        for options in ([], ["--json"]):
            monkeypatch.setattr(sys, "argv", ["compat", "doctor", *options])
            with pytest.raises(SystemExit) as ended:
                main()
            assert ended.value.code == code
    words, _, document = capsys.readouterr().out.rpartition("\n{\n")
    assert "✗ settings        COMPAT_EVIDENCE_DAYS is 'soon', which is no number of days\n" in words
    told = json.loads("{\n" + document)
    assert {"name": "COMPAT_EVIDENCE_DAYS", "value": "soon", "source": "environment"} in told["settings"]
    assert [one["next_step"] for one in told["findings"] if one["level"] == "problem"] == [
        "set it to one above 0, or unset it"
    ]
