"""The alert sensor: each incident is told once, and none is lost while nobody can be told."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from compat_pipeline.assets.cells import cell_results
from compat_pipeline.assets.face import FULL_RANGE, RANGE_END, RANGE_START
from compat_pipeline.assets.matrix import compatibility_matrix
from compat_pipeline.assets.publication import published_docs_commit
from compat_pipeline.assets.versions import claude_code_release, litellm_release
from compat_pipeline.automation import alerts
from compat_pipeline.automation.alerts import alert_sensor
from compat_pipeline.definitions import defs
from compat_pipeline.domain.observation import Fail
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.resources.alerts import Alerts
from compat_pipeline_tests.assets.conftest import PinnedIndex, ScriptedRunner
from compat_pipeline_tests.claude.loopback import closed_port, served

Resources = dict[str, object]
SECRET_PATH = "/services/T000/B000/kGz8vLq2YpXw"
BROKEN = {
    "tool_use|vertex_ai/claude-haiku-4-5": Fail(error="lost"),
    "vision|vertex_ai/claude-haiku-4-5": Fail(error="lost"),
}
THEIR_RANGE = {RANGE_START: min(BROKEN), RANGE_END: max(BROKEN)}
"""Of which a few cells are part: once all have been observed, a run need not take them all again."""


class Chat:
    """A chat's webhook on loopback."""

    def __init__(self) -> None:
        self.url = ""
        self.answers_with = 200
        self.messages: list[dict[str, Any]] = []
        self.app = Starlette(routes=[Route(SECRET_PATH, self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        if self.answers_with == 200:
            self.messages.append(await request.json())
        return PlainTextResponse("ok", self.answers_with)

    @property
    def texts(self) -> list[str]:
        """What was told, one string per message."""
        return ["\n".join(block["text"]["text"] for block in message["blocks"]) for message in self.messages]


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    room = Chat()
    with served(room.app) as address:
        monkeypatch.setenv("COMPAT_ALERT_WEBHOOK", address + SECRET_PATH)
        yield room


def tick(instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"alerts": Alerts()})
    result: Any = alert_sensor(context)
    assert isinstance(result, dg.SensorResult)
    return result


def reason(result: dg.SensorResult) -> str:
    skipped = result.skip_reason
    return str(skipped.skip_message if isinstance(skipped, dg.SkipReason) else skipped)


def walk(
    instance: dg.DagsterInstance, resources: Resources, *, publish: bool, over: Mapping[str, str] = THEIR_RANGE
) -> None:
    stages = [litellm_release, claude_code_release, cell_results, compatibility_matrix]
    last = [published_docs_commit] if publish else []
    assert dg.materialize([*stages, *last], instance=instance, resources=resources, tags=over).success


@pytest.fixture
def regressed(instance: dg.DagsterInstance, resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    """A matrix is published; then two more cells fail, and are not published."""
    walk(instance, resources, publish=True, over=FULL_RANGE)
    monkeypatch.setattr(ScriptedRunner, "outcomes", ScriptedRunner.outcomes | BROKEN)
    walk(instance, resources, publish=False)


def test_nothing_wrong_is_a_skip_that_says_so(instance: dg.DagsterInstance, resources: Resources, chat: Chat) -> None:
    walk(instance, resources, publish=True, over=FULL_RANGE)
    assert reason(tick(instance)) == "nothing new; 0 incident(s) open"
    assert chat.messages == []


@pytest.mark.usefixtures("regressed")
def test_cells_that_broke_are_told_once_by_name(
    instance: dg.DagsterInstance, chat: Chat, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        first = tick(instance)
    told = "cells that are published as pass fail now\n- tool_use on vertex_ai\n- vision on vertex_ai"
    assert chat.texts == [told]
    assert [record.message for record in caplog.records if record.name.startswith("compat")] == [told]
    again = tick(instance, first.cursor)
    assert (reason(again), len(chat.messages)) == ("nothing new; 2 incident(s) open", 1)


@pytest.mark.usefixtures("regressed")
def test_a_docs_repository_that_was_out_of_reach_meanwhile_does_not_make_them_new(
    instance: dg.DagsterInstance, resources: Resources, chat: Chat, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cursor = tick(instance).cursor
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("no repository")
    with monkeypatch.context() as meanwhile:
        meanwhile.setenv("COMPAT_DOCS_REPO", str(tmp_path / "other"))
        walk(instance, resources, publish=False)
        cursor = tick(instance, cursor).cursor
    walk(instance, resources, publish=False)
    tick(instance, cursor)
    assert len(chat.messages) == 1


@pytest.mark.usefixtures("regressed")
def test_a_run_under_way_does_not_make_old_incidents_new(instance: dg.DagsterInstance, chat: Chat) -> None:
    first = tick(instance)
    job = defs.resolve_job_def("refresh_matrix")
    instance.create_run_for_job(job, tags=FULL_RANGE)
    assert (reason(tick(instance, first.cursor)), len(chat.messages)) == ("nothing new; 2 incident(s) open", 1)


@pytest.mark.usefixtures("regressed")
def test_what_came_right_and_breaks_again_is_told_again(
    instance: dg.DagsterInstance, resources: Resources, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = ScriptedRunner.outcomes
    cursor = tick(instance).cursor
    monkeypatch.setattr(ScriptedRunner, "outcomes", {})
    walk(instance, resources, publish=False)
    cursor = tick(instance, cursor).cursor
    monkeypatch.setattr(ScriptedRunner, "outcomes", broken)
    walk(instance, resources, publish=False)
    tick(instance, cursor)
    assert len(chat.messages) == 2


@pytest.mark.usefixtures("regressed")
@pytest.mark.parametrize("down", ["refusing", "gone"])
def test_while_the_webhook_is_down_nothing_is_lost_and_its_address_is_not_told(
    instance: dg.DagsterInstance,
    resources: Resources,
    chat: Chat,
    down: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    up = os.environ["COMPAT_ALERT_WEBHOOK"]
    chat.answers_with = 500
    if down == "gone":
        monkeypatch.setenv("COMPAT_ALERT_WEBHOOK", closed_port() + SECRET_PATH)
    with caplog.at_level(logging.INFO):
        failed = tick(instance)
    assert "could not be told, tried again: the alert webhook" in reason(failed)
    assert SECRET_PATH not in reason(failed) + caplog.text
    monkeypatch.setattr(ScriptedRunner, "outcomes", {})
    walk(instance, resources, publish=True)
    chat.answers_with = 200
    monkeypatch.setenv("COMPAT_ALERT_WEBHOOK", up)
    with caplog.at_level(logging.INFO):
        told = tick(instance, failed.cursor)
    assert "tool_use on vertex_ai" in "".join(chat.texts)
    assert reason(tick(instance, told.cursor)) == "nothing new; 0 incident(s) open"
    assert SECRET_PATH not in caplog.text


@pytest.mark.usefixtures("regressed")
def test_without_a_webhook_an_incident_is_logged(
    instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COMPAT_ALERT_WEBHOOK", raising=False)
    tick(instance)
    assert "tool_use on vertex_ai" in caplog.text


class BrokenIndex(PinnedIndex):
    def resolve(self, request: str) -> Any:
        raise CompatError(f"no LiteLLM {request or 'at all'}")


class FailingIndex(PinnedIndex):
    def resolve(self, request: str) -> Any:
        raise dg.Failure(f"no LiteLLM {request or 'at all'}", allow_retries=False)


def refresh(instance: dg.DagsterInstance, resources: Resources, index: PinnedIndex) -> bool:
    """The first step of refresh_matrix, as that job; whether it succeeded."""
    scripted = dg.Definitions(
        assets=defs.assets,
        jobs=defs.jobs,
        resources=resources | {"python_index": index},
        executor=dg.in_process_executor,
    )
    job = scripted.resolve_job_def("refresh_matrix")
    return job.execute_in_process(instance=instance, op_selection=["litellm_release"], raise_on_error=False).success


@pytest.mark.parametrize("broken", [BrokenIndex, FailingIndex])
def test_a_run_that_fails_is_told_with_its_reason_until_one_succeeds(
    instance: dg.DagsterInstance, resources: Resources, chat: Chat, broken: type[PinnedIndex]
) -> None:
    assert not refresh(instance, resources, broken())
    cursor = tick(instance).cursor
    assert not refresh(instance, resources, broken())
    cursor = tick(instance, cursor).cursor
    (text,) = chat.texts
    assert text.startswith("refresh_matrix failed: no LiteLLM at all (run ")
    assert refresh(instance, resources, PinnedIndex())
    assert reason(tick(instance, cursor)) == "nothing new; 0 incident(s) open"


def test_a_refused_publication_is_told_once_with_its_reason_until_it_succeeds(
    instance: dg.DagsterInstance, resources: Resources, chat: Chat, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COMPAT_DOCS_REPO", str(tmp_path / "docs"))
    walk(instance, resources, publish=True, over=FULL_RANGE)
    cursor = tick(instance).cursor
    walk(instance, resources, publish=True)
    cursor = tick(instance, cursor).cursor
    (text,) = chat.texts
    assert text.startswith("published_docs_commit: refused: the providers were emulated")
    monkeypatch.setenv("COMPAT_PUBLISH", "emulated")
    walk(instance, resources, publish=True)
    assert reason(tick(instance, cursor)) == "nothing new; 0 incident(s) open"


def test_a_docs_repository_out_of_reach_is_no_regression_and_no_anomaly(
    instance: dg.DagsterInstance, resources: Resources, chat: Chat, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "notes.txt").write_text("no repository")
    monkeypatch.setenv("COMPAT_DOCS_REPO", str(tmp_path / "docs"))
    monkeypatch.setenv("COMPAT_PUBLISH", "emulated")
    walk(instance, resources, publish=True, over=FULL_RANGE)
    tick(instance)
    (text,) = chat.texts
    assert text.startswith("published_docs_commit: refused: ")
    assert "\n" not in text


def test_a_pipeline_that_stands_still_is_told(
    instance: dg.DagsterInstance, resources: Resources, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk(instance, resources, publish=True, over=FULL_RANGE)

    class Later:
        fromtimestamp = datetime.fromtimestamp

        @staticmethod
        def now(zone: timezone) -> datetime:
            return datetime.now(zone) + timedelta(hours=37)

    monkeypatch.setattr(alerts, "datetime", Later)
    tick(instance)
    (text,) = chat.texts
    assert text.startswith("published_docs_commit was last made ")


def test_the_commit_has_a_freshness_policy_for_the_web_interface() -> None:
    (spec,) = published_docs_commit.specs
    assert spec.freshness_policy == dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36))


class StuckIndex(PinnedIndex):
    def newest(self) -> str:
        return "9.9.9"


class TaggedIndex(StuckIndex):
    def resolve(self, request: str) -> LitellmRelease:
        return super().resolve(request).model_copy(update={"tag": "v1.106.2-stable"})


@pytest.mark.parametrize(("days", "stale"), [("1e-9", True), ("7", False)])
def test_a_version_that_never_changes_although_newer_ones_exist_is_told(
    instance: dg.DagsterInstance,
    resources: Resources,
    chat: Chat,
    days: str,
    stale: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COMPAT_STALE_DAYS", days)
    assert refresh(instance, resources, StuckIndex())
    assert refresh(instance, resources, StuckIndex())
    tick(instance)
    told = "LiteLLM: the same old version, although newer ones exist\n- 1.106.2, unchanged for 1e-09 days"
    assert chat.texts == ([told] if stale else [])


def test_a_version_that_is_pinned_by_its_tag_grows_stale_as_any(
    instance: dg.DagsterInstance, resources: Resources, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPAT_STALE_DAYS", "1e-9")
    assert refresh(instance, resources, TaggedIndex())
    assert refresh(instance, resources, TaggedIndex())
    tick(instance)
    assert len(chat.texts) == 1
