"""What is said of an environment: the first stage that is not sound decides, and nobody is blamed for a machine."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from compat_pipeline.domain.environment_verdict import (
    EnvironmentObservation,
    EnvironmentVerdict,
    StageSeen,
    judge_environment,
    signature,
)
from compat_pipeline_tests.domain.environments import HYBRID, NO_PYTHON, NO_WHEEL, NOW, REPORT, cell, observed

STOCK = observed(cell(runtime="stock"))
SAME = {"text": 8, "tools": 84}


def judged(*seen: EnvironmentObservation, stock: Sequence[EnvironmentObservation] = (STOCK,)) -> EnvironmentVerdict:
    return judge_environment(seen, stock, now=NOW, valid_days=14)


def test_stock_that_passes_every_stage_is_verified() -> None:
    assert judged(STOCK).status == "verified"


def test_an_accelerated_one_that_counts_as_stock_does_is_verified() -> None:
    assert judged(observed(cell(), counts=SAME)).status == "verified"


def test_one_that_counts_otherwise_is_degraded_and_tells_both_counts() -> None:
    verdict = judged(observed(cell()))
    assert (verdict.status, verdict.stage) == ("degraded", "parity")
    assert [(one.what, one.stock, one.accelerated) for one in verdict.parity] == [("tools", 84, 8)]


@pytest.mark.parametrize("stock", [(), (observed(cell(runtime="stock"), failed={"messages": "500"}),)])
def test_without_a_stock_that_works_there_is_nothing_to_compare_with(stock: Sequence[EnvironmentObservation]) -> None:
    verdict = judged(observed(cell(), counts=SAME), stock=stock)
    assert (verdict.status, verdict.stage) == ("inconclusive", "parity")


def test_the_first_stage_that_fails_names_the_verdict() -> None:
    verdict = judged(observed(cell(), failed={"stream": "later", "router": HYBRID}))
    assert (verdict.status, verdict.stage, verdict.signature) == ("broken", "router", HYBRID)


def test_what_the_accelerator_says_of_itself_never_decides() -> None:
    seen = observed(cell(), failed={"self_report": "it is ill"}, counts=SAME)
    assert judged(seen).status == "verified"


def test_an_unclear_stage_before_a_failed_one_leaves_it_open() -> None:
    seen = observed(cell(), failed={"messages": "500"}, unclear={"proxy_boot": "no memory"})
    verdict = judged(seen)
    assert (verdict.status, verdict.stage, verdict.words) == ("inconclusive", "proxy_boot", "no memory")


@pytest.mark.parametrize(
    ("words", "status"),
    [(NO_PYTHON, "unsatisfiable"), (NO_WHEEL, "unsupported"), ("Because orjson has no wheels", "unsatisfiable")],
)
def test_what_does_not_resolve_is_unsupported_only_if_the_accelerator_lacks_a_wheel(words: str, status: str) -> None:
    verdict = judged(observed(cell(), failed={"resolve": words}))
    assert (verdict.status, verdict.stage) == (status, "resolve")


def test_the_latest_conclusive_run_decides_and_a_later_trouble_is_told() -> None:
    good, bad = observed(cell(), counts=SAME, days_ago=2), observed(cell(), failed={"router": HYBRID}, days_ago=1)
    assert judged(good, bad).status == "broken"
    troubled = judged(good, observed(cell(), unclear={"install": "disk full"}))
    assert (troubled.status, troubled.open) == ("verified", "install: disk full")


def test_one_that_ended_before_its_last_stage_decides_nothing() -> None:
    cut = observed(cell()).model_copy(update={"stages": (StageSeen(stage="resolve", outcome="passed"),)})
    assert judged(cut).status == "inconclusive"
    assert judged().words == "it was never run here"


def test_nothing_older_than_its_limit_is_said_to_be_verified() -> None:
    verdict = judged(observed(cell(), counts=SAME, days_ago=14.5))
    assert (verdict.status, verdict.was) == ("stale", "verified")


def test_a_disagreement_with_the_real_patches_is_a_finding() -> None:
    assert judged(observed(cell(), failed={"router": HYBRID})).findings == (
        "health_check() says that all is well, yet stage router fails",
        "get_patch_status() tells of rate_limiting, which nothing was patched for",
        "1 of 2 patches apply; not found: litellm.SimpleRateLimiter",
    )
    honest = REPORT.model_copy(update={"claimed": ("routing",), "missing": ()})
    seen = observed(cell(), counts=SAME).model_copy(update={"report": honest})
    assert judged(seen).findings == ()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ('Traceback:\n  File "/a/b.py", line 3\nTypeError: no\n', "TypeError: no"),
        ("ImportError: one\nduring which\nValueError: two", "ValueError: two"),
        ("ImportError: cannot import 'x' (/tmp/s-1/venv/lib/x.py)", "ImportError: cannot import 'x' (x.py)"),
        ("500: request req_abc123 of nonce-0123456789ab", "500: request req_… of nonce_…"),
        ("error: No solution\n  cause: Because a needs b.\n And because c.", "Because a needs b."),
        ("", ""),
    ],
)
def test_a_signature_is_what_stays_the_same_from_run_to_run(words: str, told: str) -> None:
    assert signature(words) == told
