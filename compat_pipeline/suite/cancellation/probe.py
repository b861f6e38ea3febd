"""After Ctrl-C in mid stream the CLI ends by itself, the upstream stops writing, and the next prompt is sound.

Source: Claude Code (Ctrl-C interrupts the turn); Anthropic, streaming (closing the connection ends the generation: an
answer that nobody waits for costs money). The upstream pauses after its first events, so the answer cannot be whole
before the CLI hangs up; then the upstream must see its own caller gone before the pause is over.
"""

from __future__ import annotations

import time

from compat_pipeline.domain.causes import CliFault, UpstreamAnswer, classify
from compat_pipeline.domain.observation import Inconclusive, Outcome
from compat_pipeline.suite.cell_run import CellRun, Judged, Talk, prove
from compat_pipeline.wire.client_exchange import HUNG_UP

_PAUSE_S = 3
_LIMIT_S = 2 * _PAUSE_S
_POLL_S = 0.02
_NUMBERS = 100


def probe(run: CellRun) -> Outcome:
    """Interrupt one answer, then ask for another from the same place."""
    nonce, next_nonce = run.nonce(), run.nonce()
    run.arm(nonce, f"stall:{_PAUSE_S}")
    with run.sandbox() as sandbox:
        cut = run.try_once(
            nonce,
            f"Write the code {nonce} and then the numbers from 1 to {_NUMBERS}, all separated by single spaces.",
            sandbox=sandbox,
            include_partial_messages=True,
            interrupt_on=_answer_begins,
        )
        _prove_cut(cut)
        # That it ends well is enough: whether words and counts are right is for other rows.
        run.ask(next_nonce, f"This is {next_nonce}. Which is the capital of Norway?", sandbox=sandbox)

    prove(
        _stopped(run, nonce), "Claude Code hung up, but the upstream had to write its answer to the end: it is paid for"
    )
    return run.passed()


def _answer_begins(line: bytes) -> bool:
    return b'"content_block_start"' in line


def _prove_cut(talk: Talk) -> None:
    """The CLI got a stream, hung up in the middle, and ended by itself."""
    error = talk.result.error
    if error is not None and error.kind != "other":
        answers = [UpstreamAnswer(status=one.status, error=one.error, rule=one.rule) for one in talk.exchanges]
        raise Judged(classify(CliFault(error.kind, error.status, error.message), answers))
    prove(bool(talk.client), "Claude Code asked for nothing", "client")
    prove(talk.client[-1].streamed, "Claude Code had to ask again without streaming: there was nothing to interrupt")
    prove(bool(talk.exchanges), "the request did not reach the upstream")
    if talk.client[-1].broken != HUNG_UP:
        story = "the answer was there before the CLI was interrupted, or in spite of it"
        raise Judged(Inconclusive(cause="environment", error=story))


def _stopped(run: CellRun, nonce: str) -> bool:
    """Whether the upstream saw its caller leave before it had sent everything."""
    deadline = time.monotonic() + _LIMIT_S
    while time.monotonic() < deadline:
        exchange = run.upstream.exchanges(nonce)[-1]
        if exchange.delivered is not None:
            return not exchange.delivered
        time.sleep(_POLL_S)
    return False
