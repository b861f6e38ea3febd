"""A cell that is run in more than one way: red in one is red, and the error tells which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.observation import Fail, Inconclusive, Outcome, Pass
from compat_pipeline.suite.cell_run import CellRun, Judged, Talk, prove
from compat_pipeline.suite.settings import SuiteSettings
from compat_pipeline.suite.ways import by_every_authentication, in_either_shape
from compat_pipeline.wire.exchange import CannotScript, Exchange, UpstreamControl
from compat_pipeline.wire.faults import FAULTS

TARGET = "bedrock_converse/claude-haiku-4-5"
BEARER = f"{TARGET}@bearer"
OVERLOADED = Inconclusive(cause="provider", error="529 Overloaded")


class Armed(UpstreamControl):
    """An upstream that only remembers what it was armed with."""

    def __init__(self) -> None:
        self.behaviours: dict[str, str] = {}

    def arm(self, nonce: str, behaviour: str) -> None:
        self.behaviours[nonce] = behaviour


@pytest.fixture
def upstream() -> Armed:
    return Armed()


@pytest.fixture
def run(tmp_path: Path, upstream: Armed) -> CellRun:
    settings = SuiteSettings(
        proxy_url="http://proxy", proxy_key="k", control_url="http://upstream", control_token="t",
        claude=tmp_path / "claude", scratch=tmp_path,
    )  # fmt: skip
    cell = Cell("made_up", "bedrock_converse", "claude-haiku-4-5")
    served = {TARGET: "signed", BEARER: "bearer"}
    return CellRun(cell, "bedrock/converse/haiku", settings, upstream, served_as=served)  # type: ignore[arg-type]


def probe_of(outcomes: dict[str, Outcome], way: str = "name") -> Callable[[CellRun], Outcome]:
    """A probe whose outcome depends on the way it is run; it passes where nothing is said."""
    return lambda run: outcomes.get(getattr(run, way), Pass())


def test_every_authentication_is_tried_once_under_its_name(run: CellRun) -> None:
    tried: list[str] = []

    def probe(way: CellRun) -> Outcome:
        tried.append(way.name)
        return way.passed()

    assert by_every_authentication(run, probe) == Pass()
    assert tried == [TARGET, BEARER]


@pytest.mark.parametrize(
    ("outcomes", "error"),
    [
        ({BEARER: Fail(error="500")}, "with a bearer token: 500"),
        ({TARGET: Fail(error="500")}, "with signed requests: 500"),
        ({TARGET: Fail(error="a"), BEARER: Fail(error="b")}, "with signed requests: a; with a bearer token: b"),
        ({TARGET: OVERLOADED, BEARER: Fail(error="500")}, "with a bearer token: 500"),
    ],
)
def test_a_cell_that_is_red_by_one_authentication_is_red_and_names_it(
    run: CellRun, outcomes: dict[str, Outcome], error: str
) -> None:
    assert by_every_authentication(run, probe_of(outcomes)) == Fail(error=error)


def test_a_cell_that_could_not_be_judged_by_one_authentication_is_not_judged(run: CellRun) -> None:
    outcome = by_every_authentication(run, probe_of({BEARER: OVERLOADED}))
    assert outcome == Inconclusive(cause="provider", error="with a bearer token: 529 Overloaded")


def test_where_there_is_but_one_authentication_the_error_stands_alone(run: CellRun) -> None:
    run.served_as = {TARGET: None}
    assert by_every_authentication(run, probe_of({TARGET: Fail(error="500")})) == Fail(error="500")


def test_a_judgement_that_ends_one_way_early_leaves_the_other_its_turn(run: CellRun) -> None:
    def probe(way: CellRun) -> Outcome:
        way.findings.append(way.name)
        way.attempts = 1 if way.name == TARGET else 3
        prove(way.name != TARGET, "lost")
        return way.passed()

    assert by_every_authentication(run, probe) == Fail(error="with signed requests: lost")
    assert run.findings == [TARGET, BEARER]
    assert run.attempts == 3


def test_a_request_that_is_authenticated_otherwise_than_configured_is_the_gateways(run: CellRun) -> None:
    seen = Exchange(
        provider="bedrock_converse", operation="messages", model="haiku", streamed=True, headers={}, auth="signed",
        request={}, status=200, started_at=0.0, finished_at=0.0,
    )  # fmt: skip
    run.name = BEARER
    with pytest.raises(Judged, match="was to be known as 'bearer', it was as 'signed'"):
        run.prove_intact(Talk(result=None, client=[], exchanges=[seen]), "")  # type: ignore[arg-type]


class Real(Armed):
    """An upstream that answers as it likes."""

    def arm(self, nonce: str, behaviour: str) -> None:
        raise CannotScript(f"cannot be made to do '{behaviour}'", f"{nonce} is as it is")


def test_a_cell_is_red_although_no_shape_can_be_had_alone(run: CellRun) -> None:
    run.upstream = Real()

    def probe(way: CellRun) -> Outcome:
        way.nonce()
        return Fail(error="cut")

    assert in_either_shape(run, probe) == Fail(error="cut")


@pytest.mark.parametrize(
    ("red", "told"), [("shapes_shown", "red only where it shows"), ("shapes_hidden", "red only where it does not show")]
)
def test_a_cell_that_one_shape_alone_breaks_says_so(run: CellRun, red: str, told: str) -> None:
    broken = Fail(error="cut")
    outcome = in_either_shape(run, probe_of({"": broken, red: broken}, "behaviour"))
    assert outcome == Fail(error=f"intermittent upstream ({told} empty deltas): cut")


@pytest.mark.parametrize("red", [("", "shapes_shown", "shapes_hidden"), ("",)])
def test_a_cell_that_no_single_shape_breaks_keeps_its_error(run: CellRun, red: tuple[str, ...]) -> None:
    broken = Fail(error="cut")
    assert in_either_shape(run, probe_of(dict.fromkeys(red, broken), "behaviour")) == broken


@pytest.mark.parametrize(
    ("outcome", "changes"),
    [
        (Pass(), {}),
        (OVERLOADED, {}),
        (Fail(error="cut"), {"cell": Cell("made_up", "anthropic", "claude-haiku-4-5")}),
        (Fail(error="cut"), {"fault": FAULTS["text_delta_in_thinking"]}),
    ],
)
def test_only_a_red_cell_whose_upstream_has_two_shapes_is_run_again(
    run: CellRun, outcome: Outcome, changes: dict[str, object]
) -> None:
    tried: list[str] = []

    def probe(way: CellRun) -> Outcome:
        tried.append(way.behaviour)
        return outcome

    for name, value in changes.items():
        setattr(run, name, value)
    assert in_either_shape(run, probe) == outcome
    assert tried == [""]


def test_every_nonce_is_armed_with_the_shape_it_is_run_in(run: CellRun, upstream: Armed) -> None:
    def probe(way: CellRun) -> Outcome:
        way.nonce()
        return Fail(error="cut")

    in_either_shape(run, probe)
    assert list(upstream.behaviours.values()) == ["shapes_shown", "shapes_hidden"]
