"""What is an incident, and that each is told once."""

from __future__ import annotations

import json
from datetime import timedelta

from compat_pipeline.domain.incidents import (
    Incident,
    Log,
    by_title,
    failed_check,
    failed_run,
    overdue,
    refused,
    slack_message,
    text,
)
from compat_pipeline_tests.domain.samples import NOON

DAY = timedelta(days=1)


def regressions(*cells: str) -> list[Incident]:
    return failed_check("matrix", "no_regression", "cells broke", cells)


def test_what_was_told_is_no_news_and_a_further_cell_is() -> None:
    log = Log.all_told(regressions("vision on azure")).seen(regressions("vision on azure", "tools on azure"))
    assert log.waiting == tuple(regressions("tools on azure"))


def test_what_came_right_before_it_was_told_still_waits_and_is_then_forgotten() -> None:
    log = Log().seen(regressions("vision on azure")).seen([])
    assert Log.parse(log.dump()).waiting == tuple(regressions("vision on azure"))
    assert Log.all_told([]).seen([]).waiting == ()


def test_what_came_right_and_breaks_again_is_news() -> None:
    broken = regressions("vision on azure")
    assert Log.all_told(broken).seen([]).seen(broken).waiting == tuple(broken)


def test_an_edited_log_is_an_empty_one() -> None:
    assert [Log.parse(cursor) for cursor in (None, "", "[]", "nonsense")] == [Log()] * 4


def test_cells_of_the_same_kind_are_told_in_one_incident() -> None:
    (fresh,) = by_title(regressions("vision on azure", "tools on azure"))
    assert text(fresh) == "cells broke\n- vision on azure\n- tools on azure"


def test_a_run_that_keeps_failing_is_one_incident_whatever_it_fails_of() -> None:
    first, second = failed_run("refresh_matrix", "no network"), failed_run("refresh_matrix", "no disk")
    assert Log.all_told([first]).seen([second]).waiting == ()


def test_a_publication_that_keeps_being_refused_is_one_incident_whatever_the_reason() -> None:
    first, second = (refused("commit", f"GitHub's rate limit is used up until {hour}") for hour in (7, 8))
    assert Log.all_told([first]).seen([second]).waiting == ()


def test_the_dead_mans_switch_goes_off_after_its_window_and_not_before() -> None:
    assert overdue("commit", NOON, NOON + DAY, DAY) is None
    late = overdue("commit", NOON, NOON + 2 * DAY, DAY)
    assert late is not None
    assert "2026-01-31 12:00 UTC" in late.title


def test_it_is_the_same_incident_as_long_as_nothing_runs() -> None:
    keys = {late.key for days in (2, 3) if (late := overdue("commit", NOON, NOON + days * DAY, DAY))}
    assert len(keys) == 1


def test_what_was_never_made_is_not_missed() -> None:
    assert overdue("commit", None, NOON, DAY) is None


def test_a_message_calls_nobody_and_is_no_longer_than_slack_takes() -> None:
    found = failed_check("matrix", "no_regression", "cells & <!here>", ["<!channel>" + "x" * 9000])
    message = slack_message(found)
    assert "<" not in json.dumps(message)
    assert all(len(block["text"]["text"]) <= 3000 for block in message["blocks"])


def test_a_long_list_says_how_much_it_leaves_out() -> None:
    (fresh,) = by_title(regressions(*(f"cell {n}" for n in range(90))))
    assert text(fresh).endswith("- cell 19\n- and 70 more")
