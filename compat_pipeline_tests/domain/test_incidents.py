"""What is an incident, and that each is told once."""

from __future__ import annotations

import json
from datetime import timedelta

from compat_pipeline.domain.incidents import failed_check, failed_run, news, overdue, slack_message, text
from compat_pipeline_tests.domain.samples import NOON

DAY = timedelta(days=1)


def regressions(*cells: str) -> list[str]:
    return [incident.key for incident in failed_check("matrix", "no_regression", "cells broke", cells)]


def test_what_was_told_is_no_news_and_a_further_cell_is() -> None:
    found = failed_check("matrix", "no_regression", "cells broke", ["vision on azure", "tools on azure"])
    (fresh,) = news(found, told=regressions("vision on azure"))
    assert (fresh.title, fresh.cells) == ("cells broke", ("tools on azure",))


def test_cells_of_the_same_kind_are_told_in_one_incident() -> None:
    found = failed_check("matrix", "no_regression", "cells broke", ["vision on azure", "tools on azure"])
    (fresh,) = news(found, told=())
    assert text(fresh) == "cells broke\n- vision on azure\n- tools on azure"


def test_a_run_that_keeps_failing_is_one_incident_whatever_it_fails_of() -> None:
    first, second = failed_run("refresh_matrix", "no network"), failed_run("refresh_matrix", "no disk")
    assert news([second], told={first.key}) == []


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
    (fresh,) = news(failed_check("matrix", "no_regression", "cells broke", [f"cell {n}" for n in range(90)]), ())
    assert text(fresh).endswith("- cell 19\n- and 70 more")
