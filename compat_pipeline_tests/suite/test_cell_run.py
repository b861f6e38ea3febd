"""What holds for every sound conversation: each way in which the proxy can harm one is seen, and blamed rightly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from compat_pipeline.claude.driver import ClaudeCall
from compat_pipeline.claude.stream import ClaudeResult, CliError, ToolResult, Usage
from compat_pipeline.domain.observation import Fail, Inconclusive, Outcome
from compat_pipeline.suite import cell_run
from compat_pipeline.suite.cell_run import CellRun, Direct, Judged
from compat_pipeline.suite.settings import SuiteSettings
from compat_pipeline.suite.true_non_streaming.probe import probe as true_non_streaming
from compat_pipeline.wire.client_exchange import HUNG_UP, ClientExchange
from compat_pipeline.wire.exchange import Exchange
from compat_pipeline_tests.suite.stage import NONCE, PROMPT, REQUEST, STREAM, USAGE, Stage, asked, exchange, result


def test_a_sound_conversation_passes(stage: Stage) -> None:
    assert stage.outcome(result(), exchange()).status == "pass"


@pytest.mark.parametrize(
    ("told", "seen", "complaint"),
    [
        (result(), [exchange(), exchange()], "2 requests where 1 were due"),
        (result(), [], "0 requests where 1 were due"),
        (result(), [exchange(streamed=False)], "got none"),
        (result(), [exchange(model="claude-sonnet-4-6")], "was asked for claude-sonnet-4-6"),
        (result(), [exchange(request={"messages": [{"role": "user", "content": PROMPT}]})], "system prompt"),
        (result(), [exchange(request={"system": "s", "messages": [{"role": "user", "content": "Reply"}]})], "words"),
        (result(usage=Usage(3, 12, 7, 5)), [exchange()], "11 output tokens, the CLI was told 12"),
        (result(usage=Usage(2, 11, 7, 5)), [exchange()], "15 input tokens, the CLI was told 14"),
        (result(text="nonce-ffffffffffff"), [exchange()], "the CLI was told 'nonce-ffffffffffff'"),
        (result(text=""), [exchange()], "the CLI was told ''"),
        (result(), [exchange(status=400, reply=None, error="x: Extra inputs", rule="X2")], "x: Extra inputs"),
    ],
)
def test_harm_done_on_the_way_is_the_gateways(
    stage: Stage, told: ClaudeResult, seen: list[Exchange], complaint: str
) -> None:
    outcome = stage.outcome(told, *seen)
    assert outcome.status == "fail"
    assert outcome.cause == "gateway"
    assert complaint in outcome.error


PROFILE = "us.anthropic.claude-haiku-4-5-v1:0"


def asked_for(run: CellRun) -> CellRun:
    return replace(run, route=f"bedrock/invoke/{PROFILE}")


def test_a_model_asked_for_by_its_whole_name_passes(stage: Stage) -> None:
    assert asked_for(stage.run(result(), exchange(model=PROFILE))).converse(NONCE, PROMPT)


@pytest.mark.parametrize("model", [PROFILE.removeprefix("us."), "claude-haiku-4-5-v1:0", ""])
def test_a_model_asked_for_without_its_region_is_the_gateways(stage: Stage, model: str) -> None:
    told = f"asked for bedrock/invoke/{PROFILE}, the upstream was asked for {model}$"
    with pytest.raises(Judged, match=told):
        asked_for(stage.run(result(), exchange(model=model))).converse(NONCE, PROMPT)
    whole = stage.run(result(), exchange(model=model, streamed=False), client=[asked(events=(), body={})])
    with pytest.raises(Judged, match=told):
        true_non_streaming(asked_for(whole))


def test_what_was_said_in_each_turn_must_arrive(stage: Stage) -> None:
    told = [{"type": "result", "result": words} for words in ("wrong", NONCE)]
    talk = stage.run(result(events=tuple(told)), exchange(), exchange(), client=[asked(), asked()]).ask(NONCE, PROMPT)
    talk.prove_answer(NONCE)
    talk.prove_answer(NONCE, turn=1)
    with pytest.raises(Judged, match="the CLI was told 'wrong'"):
        talk.prove_answer(NONCE, turn=0)


def test_a_model_that_said_something_else_judges_no_product(stage: Stage) -> None:
    other = {"content": [{"type": "text", "text": "Hello!"}], "stop_reason": "end_turn", "usage": USAGE}
    hello = tuple(event | {"delta": {"type": "text_delta", "text": "Hello!"}} if "delta" in event and "index" in event
                  else event for event in STREAM)  # fmt: skip
    outcome = stage.outcome(result(text="Hello!"), exchange(reply=other), client=[asked(events=hello)])
    assert outcome.status == "inconclusive"
    assert outcome.cause == "model_behaviour"


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (exchange(status=529, reply=None, error="Overloaded"), "provider"),
        (exchange(status=400, reply=None, error="Your credit balance is too low to access the API"), "account"),
    ],
)
def test_trouble_upstream_that_was_healed_behind_our_back_judges_no_product(
    stage: Stage, answer: Exchange, cause: str
) -> None:
    outcome = stage.outcome(result(), answer, exchange())
    assert outcome.status == "inconclusive"
    assert outcome.cause == cause


def test_a_cli_that_fails_while_the_upstream_was_never_asked_is_the_gateways(stage: Stage) -> None:
    outcome = stage.outcome(result(error=CliError("api", 500, "'NoneType' object has no attribute 'access_key'")))
    assert outcome.status == "fail"
    assert outcome.cause == "gateway"


def test_a_second_call_with_the_same_nonce_sees_only_its_own_exchanges(stage: Stage) -> None:
    run = stage.run(result(), exchange())
    run.converse(NONCE, PROMPT)
    assert len(run.converse(NONCE, PROMPT).exchanges) == 1


def test_counting_tokens_is_no_turn(stage: Stage) -> None:
    assert stage.outcome(result(), exchange(operation="count_tokens", reply=None), exchange()).status == "pass"


@pytest.mark.parametrize(
    ("client", "complaint"),
    [
        ([asked(events=STREAM[:-1])], "no message_stop"),
        ([asked(), asked()], "the CLI sent 2 requests where 1 were due, 0 of them"),
        ([asked(), asked(request={"stream": False}, events=(), body={})], "1 of them without streaming"),
    ],
)
def test_what_the_cli_put_up_with_is_seen_on_the_wire(
    stage: Stage, client: list[ClientExchange], complaint: str
) -> None:
    outcome = stage.outcome(result(), exchange(), client=client)
    assert outcome.status == "fail"
    assert complaint in outcome.error


SENSELESS = tuple(
    {**event, "delta": {"type": "thinking_delta", "thinking": NONCE}}
    if event["type"] == "content_block_delta"
    else event
    for event in STREAM
)
"""Words that come as thinking within a text block (LiteLLM #33224)."""


@pytest.mark.parametrize("came", [-1, -2], ids=["all but the end", "not even the stop reason"])
def test_a_stream_that_the_cli_hung_up_on_because_it_makes_no_sense_is_the_gateways(stage: Stage, came: int) -> None:
    told = result(error=CliError("api", None, "API Error: The response stream was malformed."))
    client = [asked(events=SENSELESS), *[asked(events=SENSELESS[:came], broken=HUNG_UP)] * 3]
    outcome = stage.outcome(told, *[exchange()] * 4, client=client)
    assert isinstance(outcome, Fail)
    assert outcome.cause == "gateway"
    assert "thinking_delta into content block 0, which is a text block" in outcome.error
    assert "cut" not in outcome.error


def test_a_sound_stream_that_the_cli_hung_up_on_is_not_held_against_the_gateway(stage: Stage) -> None:
    told = result(error=CliError("timeout", None, "no end within 120 s"))
    outcome = stage.outcome(told, exchange(), client=[asked(events=STREAM[:-2], broken=HUNG_UP)])
    assert getattr(outcome, "cause", None) == "environment"


FURTHER = {"stream": True, "messages": [*REQUEST["messages"], {"role": "assistant", "content": "Let me see."}]}


@pytest.mark.parametrize(
    ("client", "seen", "status"),
    [
        ([asked(), asked(request=FURTHER)], [exchange(), exchange(request=FURTHER)], "inconclusive"),
        ([asked(), asked()], [exchange(), exchange()], "fail"),
        ([asked()], [exchange(), exchange()], "fail"),
    ],
    ids=["a further turn", "sent again by the CLI", "sent again by the proxy"],
)
def test_a_turn_too_many_is_a_real_model_s_own_and_a_request_sent_again_is_not(
    stage: Stage, settings: SuiteSettings, client: list[ClientExchange], seen: list[Exchange], status: str
) -> None:
    run = stage.run(result(), *seen, client=client)
    with pytest.raises(Judged) as judged:
        replace(run, settings=settings.model_copy(update={"upstream": "live"})).converse(NONCE, PROMPT)
    assert judged.value.outcome.status == status
    with pytest.raises(Judged) as judged:
        run.converse(NONCE, PROMPT)
    assert judged.value.outcome.status == "fail"


def test_passing_trouble_is_tried_again_until_the_budget_ends(stage: Stage) -> None:
    overloaded = exchange(status=529, reply=None, error="Overloaded")
    run = stage.run(result(error=CliError("api", 529, "Overloaded")), overloaded)
    with pytest.raises(Judged) as judged:
        run.ask(NONCE, PROMPT)
    assert judged.value.outcome.status == "inconclusive"
    assert (run.attempts, len(stage.pauses)) == (3, 2)
    assert len(run.findings) == 2
    assert run.findings[0].startswith("attempt 1 was in vain, and was repeated: provider: ")


def test_the_wait_that_the_answer_asks_for_is_kept(stage: Stage) -> None:
    busy = exchange(status=429, reply=None, error="rate limited")
    told = [asked(status=429, events=(), response_headers={"retry-after": "4"})]
    run = stage.run(result(error=CliError("api", 429, "rate limited")), busy, client=told)
    with pytest.raises(Judged):
        run.ask(NONCE, PROMPT)
    assert stage.pauses == [4.0, 4.0]


def test_an_account_s_trouble_is_not_tried_again(stage: Stage) -> None:
    broke = exchange(status=400, reply=None, error="Your credit balance is too low to access the API")
    assert stage.outcome(result(error=CliError("api", 400, "no credit")), broke).status == "inconclusive"
    assert stage.pauses == []


def test_a_cli_that_ended_well_on_a_full_disk_judges_no_product(stage: Stage) -> None:
    noted = "Error: Claude Code could not save changes this run made to .claude.json because the disk is full (ENOSPC)."
    in_a_tool = ToolResult("toolu_1", "Exit code 1\nits own writes may have failed with No space left on device", True)
    for told in (result(stderr=noted), result(tool_results=(in_a_tool,))):
        outcome = stage.outcome(told, exchange())
        assert (outcome.status, getattr(outcome, "cause", None)) == ("inconclusive", "environment")


@pytest.mark.parametrize(
    ("begun", "client", "cause"),
    [
        ((), [], "environment"),
        (({"type": "system", "subtype": "init"},), [], "client"),
        ((), [asked()], "client"),
    ],
    ids=["nothing told, nothing asked", "it had told something", "it had asked something"],
)
def test_an_abort_is_the_machine_s_only_before_the_cli_had_begun_its_work(
    stage: Stage, begun: tuple[dict[str, str], ...], client: list[ClientExchange], cause: str
) -> None:
    aborted = CliError("crash", None, "the CLI was killed by SIGABRT after 0 of 1 result(s)")
    run = stage.plays(lambda _: (result(error=aborted, events=begun), client, []))
    with pytest.raises(Judged) as judged:
        run.ask(NONCE, PROMPT)
    assert getattr(judged.value.outcome, "cause", None) == cause


def direct(stage: Stage, client: ClientExchange, *seen: Exchange) -> tuple[CellRun, Outcome | Direct]:
    """One request straight to the proxy, and how it is judged."""
    run = stage.run(result(), *seen, client=[client])
    try:
        return run, run.post(NONCE, "/v1/messages/count_tokens", {})
    except Judged as judged:
        return run, judged.outcome


@pytest.mark.parametrize(
    ("answer", "cause", "attempts"),
    [
        (exchange(status=529, reply=None, error="Overloaded"), "provider", 3),
        (exchange(status=400, reply=None, error="Your credit balance is too low to access the API"), "account", 1),
    ],
)
def test_an_answer_that_the_proxy_made_up_during_trouble_upstream_judges_no_product(
    stage: Stage, answer: Exchange, cause: str, attempts: int
) -> None:
    run, outcome = direct(stage, asked(events=(), body={"input_tokens": 9}), answer)
    assert isinstance(outcome, Inconclusive)
    assert (outcome.cause, run.attempts) == (cause, attempts)


def test_a_refusal_of_the_request_that_the_proxy_made_up_for_is_left_to_the_row(stage: Stage) -> None:
    refusal = exchange(status=400, reply=None, error="counting is not supported for this model", rule="N1")
    run, answered = direct(stage, asked(events=(), body={"input_tokens": 9}), refusal, exchange())
    assert isinstance(answered, Direct)
    assert run.findings == [
        "refused by the upstream (400), made up for by LiteLLM: counting is not supported for this model"
    ]


@pytest.mark.parametrize(
    ("client", "seen", "cause"),
    [
        (asked(status=500, events=(), body={"error": {"message": "KeyError: 'text'"}}), [exchange()], "gateway"),
        (asked(status=503, events=(), body={"error": {"message": "x"}}), [exchange(status=503, error="x")], "provider"),
        (asked(status=0, events=(), broken="the proxy did not answer to the end: ConnectError"), [], "environment"),
    ],
)
def test_a_request_without_an_answer_is_judged_by_what_the_upstream_said(
    stage: Stage, client: ClientExchange, seen: list[Exchange], cause: str
) -> None:
    _, outcome = direct(stage, client, *seen)
    assert isinstance(outcome, Fail | Inconclusive)
    assert outcome.cause == cause


def test_every_run_of_the_cli_is_kept_as_evidence(stage: Stage) -> None:
    run = stage.run(result(argv=("claude", "-p")), exchange())
    run.ask(NONCE, PROMPT)
    [call] = run.calls
    assert (call.argv, len(call.exchanges), len(call.upstream)) == (("claude", "-p"), 1, 1)


def test_a_call_is_made_under_the_name_by_which_the_proxy_serves_the_model(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[ClaudeCall] = []

    def remember(_cli: Path, _proxy: object, call: ClaudeCall, *_: object, **__: object) -> ClaudeResult:
        calls.append(call)
        return result()

    run = replace(stage.run(result(), exchange()), route="elsewhere/haiku")
    monkeypatch.setattr(cell_run, "run_claude", remember)
    run.ask(NONCE, PROMPT)
    assert calls[0].model == "anthropic/claude-haiku-4-5"
