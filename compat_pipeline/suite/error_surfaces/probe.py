"""A prompt too long, a refused key, an overloaded provider, a stream that just ends: each arrives as what it is.

Source: Anthropic's errors page (a status and an `error.type` for each kind); Claude Code's gateway guide (forward
errors unmodified: what the CLI does next hangs on them) and its errors page. For each error this is proven:
the HTTP status and the `error.type` are among those documented for its kind (or the status is the provider's own),
`error.message` holds the provider's words, and Claude Code tells status and trouble.
An answer that ends in its middle is not told as a whole one (LiteLLM on Converse: it is); that Claude Code then asks
again is its own affair.
The prompt that is too long is so by 403 tokens: on Vertex LiteLLM 1.106.2 looks for these digits in the whole text of
an error, be they a token count or part of a request id, and tells a 403 (`permission_error`: log in again) where the
provider said 400. By chance that is one long prompt in some three hundred; here it is each.
A 529 that arrives as a 500 is none of its kind: Claude Code takes it for a defect, not for a reason to switch to its
fallback model. At a wrong key Claude Code 2.1.329 puts words of its own in place of Anthropic's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from compat_pipeline.domain.causes import CliFault, UpstreamAnswer, classify
from compat_pipeline.domain.observation import Fail, Inconclusive, Outcome
from compat_pipeline.suite.cell_run import CellRun, Judged, Talk, fault_of, prove
from compat_pipeline.suite.crossing import user_text
from compat_pipeline.suite.tool_turn import WITHOUT_THINKING
from compat_pipeline.wire.client_exchange import ClientExchange
from compat_pipeline.wire.exchange import CUT_SHORT, Exchange


@dataclass(frozen=True)
class Surface:
    """One error: how the upstream is armed for it, what is documented of its kind, what the CLI may say instead."""

    name: str
    behaviour: str
    statuses: frozenset[int]
    types: frozenset[str]
    of_its_own: tuple[str, ...] = ()


# The first prompt is the long one: in a longer conversation Claude Code would compact and try again.
SURFACES = (
    Surface(
        "a prompt too long",
        "prompt_too_long",
        frozenset({400, 413}),
        frozenset({"invalid_request_error", "request_too_large"}),
        ("Prompt is too long",),
    ),
    Surface(
        "a refused key",
        "refused_key",
        frozenset({401, 403}),
        frozenset({"authentication_error", "permission_error"}),
        ("Not logged in", "Failed to authenticate"),
    ),
    Surface(
        "an overloaded provider",
        "overloaded",
        frozenset({529, 503}),
        frozenset({"overloaded_error", "api_error"}),
    ),
)


def probe(run: CellRun) -> Outcome:
    """One conversation in which each prompt meets another error."""
    behaviours = (*(surface.behaviour for surface in SURFACES), "truncated_stream")
    nonce, marks = run.nonce(), [run.nonce() for _ in behaviours]
    for mark, behaviour in zip(marks, behaviours, strict=True):
        run.arm(mark, f"{behaviour}_once")
    question = "Which is the capital of Norway, and how many people live there?"
    turns = tuple(({"type": "text", "text": f"{nonce} {mark}: {question}"},) for mark in marks)
    talk = run.try_once(nonce, messages=turns, extra_env=WITHOUT_THINKING)

    _prove_ended_by_itself(talk)
    told = [event for event in talk.result.events if event.get("type") == "result"]
    prove(len(told) == len(marks), f"Claude Code told {len(told)} results of {len(marks)} prompts", "client")
    # What LiteLLM and the CLI healed on the way is for other rows: the first refusal of a prompt is the armed one.
    for mark, surface, result in zip(marks, SURFACES, told, strict=False):
        refusals = _refusals(talk, mark)
        if not refusals:
            raise Judged(_outcome_without_refusal(talk, mark, surface.name))
        outcome = _outcome_of(refusals[0])
        if isinstance(outcome, Inconclusive) and outcome.cause in ("environment", "harness"):
            raise Judged(outcome)  # it is not the one that was armed
        _prove_surface(surface, refusals[0], _answers(talk, mark)[-1], result)
    cuts = _refusals(talk, marks[-1])
    if not cuts and not _answered_without_stream(talk, marks[-1]):
        raise Judged(_outcome_without_refusal(talk, marks[-1], "a stream that just ends"))
    for cut in cuts[:1]:  # without a stream, which is for other rows, none was cut short
        if cut.error != CUT_SHORT:
            raise Judged(_outcome_of(cut))
        told_whole = any(event["type"] == "message_stop" for event in _answers(talk, marks[-1])[0].events)
        prove(not told_whole, "the upstream's answer ended in its middle, Claude Code was told that it was whole")
    return run.passed()


def _prove_ended_by_itself(talk: Talk) -> None:
    """An API error is what this row asks for; any other end, and trouble of the machine, is judged as everywhere."""
    fault = talk.fault if talk.result.error else None
    if fault is not None:
        outcome = classify(fault, [])
        if fault.kind != "api" or (isinstance(outcome, Inconclusive) and outcome.cause == "environment"):
            raise Judged(outcome)


def _refusals(talk: Talk, mark: str) -> list[Exchange]:
    """What the upstream refused, or broke off, of the turn whose prompt bears `mark`; for no rule that it breaks."""
    return [one for one in _seen(talk, mark) if one.error is not None and one.rule is None]


def _seen(talk: Talk, mark: str) -> list[Exchange]:
    return [one for one in talk.exchanges if user_text(one.request).rpartition(":")[0].endswith(mark)]


def _outcome_of(refusal: Exchange) -> Outcome:
    return classify(CliFault("other", refusal.status, refusal.error or ""), [_answer_of(refusal)])


def _answer_of(exchange: Exchange) -> UpstreamAnswer:
    return UpstreamAnswer(exchange.status, exchange.error, exchange.rule)


def _outcome_without_refusal(talk: Talk, mark: str, due: str) -> Outcome:
    """Whom it points at that the upstream was not brought to what was due: first of all, what the proxy said."""
    client, seen = _answers(talk, mark)[-1], _seen(talk, mark)
    if _failed(client) or any(one.error is not None for one in seen):
        return classify(fault_of(client), [_answer_of(one) for one in seen])
    if seen:
        return Inconclusive(cause="harness", error=f"{due} was due, but the upstream answered as it always does")
    return Fail(error=f"{due} was due, but no such request reached the upstream")


def _answered_without_stream(talk: Talk, mark: str) -> bool:
    whole = any(one.reply is not None and not one.streamed for one in _seen(talk, mark))
    return whole and not _failed(_answers(talk, mark)[-1])


def _failed(client: ClientExchange) -> bool:
    return client.refusal is not None or client.broken is not None


def _answers(talk: Talk, mark: str) -> list[ClientExchange]:
    """What the CLI was told in the turn whose prompt bears `mark`: one answer at least."""
    asked = [one for one in talk.client if user_text(one.request).rpartition(":")[0].endswith(mark)]
    prove(bool(asked), "Claude Code did not send the prompt", "client")
    return asked


def _prove_surface(surface: Surface, upstream: Exchange, client: ClientExchange, told: dict[str, Any]) -> None:
    error = (client.body or {}).get("error")
    came: dict[str, Any] = error if isinstance(error, dict) else {}
    words = upstream.error or ""
    kind = str(came.get("type") or error or "")
    story = f"{surface.name} ({upstream.status}: {words}) is told as {client.status} {kind}".rstrip()
    prove(client.status in surface.statuses | {upstream.status}, story)
    prove(bool(came) and kind in surface.types, story)
    prove(words in str(came.get("message")), f"{surface.name}: '{words}' was said, the CLI got '{came.get('message')}'")
    status, text = told.get("api_error_status"), str(told.get("result"))
    prove(
        told.get("is_error") is True and status == client.status,
        f"{surface.name} reached the CLI as {client.status}, it told {status}: '{text}'",
        cause="client",
    )
    prove(
        any(part in text for part in (words, *surface.of_its_own)),
        f"{surface.name}: the CLI got '{words}', it told '{text}'",
        cause="client",
    )
