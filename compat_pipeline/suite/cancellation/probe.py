"""After Ctrl-C in mid stream the CLI ends by itself, the upstream stops writing, and the next prompt is answered.

Source: Claude Code (Ctrl-C interrupts the turn); Anthropic, streaming (closing the connection ends the generation: an
answer that nobody waits for costs money). The upstream pauses after its first events, so the answer cannot be whole
before the CLI hangs up; then the upstream must see its own caller gone before the pause is over.
"""

from __future__ import annotations

import time
from dataclasses import replace

from compat_pipeline.claude.driver import Sandbox
from compat_pipeline.domain.observation import Inconclusive, Outcome
from compat_pipeline.suite.cell_run import CellRun, Judged, Talk, prove
from compat_pipeline.suite.tool_turn import WITHOUT_THINKING
from compat_pipeline.wire.client_exchange import HUNG_UP

_PAUSES_S = (3, 12)
"""The second is for a machine so busy that it interrupts too late within the first."""

_ENOUGH_S = 1.5
"""How long before the end of the pause the CLI must hang up for the proxy to have its chance."""

_POLL_S = 0.02
_NUMBERS = 100


def probe(run: CellRun) -> Outcome:
    """Interrupt one answer, then ask for another from the same place."""
    next_nonce = run.nonce()
    with run.sandbox() as sandbox:
        if not any(_stopped(run, sandbox, pause_s) for pause_s in _PAUSES_S):
            story = f"this machine cannot interrupt an answer within {_PAUSES_S[-1]} s"
            raise Judged(Inconclusive(cause="environment", error=story))
        again = f"This is {next_nonce}. Which is the capital of Norway?"
        talk = run.ask(next_nonce, again, sandbox=sandbox, extra_env=WITHOUT_THINKING)
    # That there is an answer is enough: whether its words and counts are right is for other rows.
    prove(bool(talk.exchanges), "the prompt after the interruption did not reach the upstream")
    prove(bool(talk.result.text.strip()), "the prompt after the interruption was not answered")
    return run.passed()


def _stopped(run: CellRun, sandbox: Sandbox, pause_s: int) -> bool:
    """Whether the upstream's answer ended with the CLI's hanging up; False where that came too late to tell."""
    nonce = run.nonce()
    run.arm(nonce, f"stall:{pause_s}")
    cut = run.try_once(
        nonce,
        f"Write the code {nonce} and then the numbers from 1 to {_NUMBERS}, all separated by single spaces.",
        sandbox=sandbox,
        include_partial_messages=True,
        interrupt_on=lambda line: b'"content_block_start"' in line,
        extra_env=WITHOUT_THINKING,
    )
    _prove_cut(cut)
    pause_ends_at = cut.exchanges[-1].started_at + pause_s  # at the earliest: the answer began after the request
    if not _delivered(run, nonce, 2 * pause_s):
        return True
    prove(
        pause_ends_at - cut.client[-1].finished_at < _ENOUGH_S,
        "Claude Code hung up, but the upstream had to write its answer to the end: it is paid for",
    )
    return False


def _prove_cut(talk: Talk) -> None:
    """The CLI got a stream at its first request, hung up in the middle, and ended by itself, as it likes."""
    error = talk.result.error
    if error is not None and error.kind == "other":
        talk = replace(talk, result=replace(talk.result, error=None))
    if outcome := talk.outcome:
        raise Judged(outcome)
    prove(bool(talk.client), "Claude Code asked for nothing", "client")
    prove(len(talk.client) == 1, f"Claude Code had to ask {len(talk.client)} times before an answer came")
    prove(bool(talk.exchanges), "the request did not reach the upstream")
    if talk.client[-1].broken != HUNG_UP:
        story = "the answer was there before the CLI was interrupted, or in spite of it"
        raise Judged(Inconclusive(cause="environment", error=story))


def _delivered(run: CellRun, nonce: str, limit_s: float) -> bool:
    """Whether the upstream sent all of its answer; True also where it still was at it after `limit_s`."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        delivered = run.upstream.exchanges(nonce)[-1].delivered
        if delivered is not None:
            return delivered
        time.sleep(_POLL_S)
    return True
