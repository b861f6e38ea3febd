"""The `stream: false` request that Claude Code falls back to is answered whole and counted right.

Claude Code always streams first; it sends `stream: false` after a 404 for the stream (measured on 2.1.329). So the
upstream refuses the stream of this one conversation, and what is judged is the request after it.
"""

from __future__ import annotations

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun, Talk, prove


def probe(run: CellRun) -> Outcome:
    """Refuse the stream once; the fallback must bring the code back."""
    nonce = run.nonce()
    run.arm(nonce, "refuse_stream")
    prompt = f"Reply with exactly this code and nothing else: {nonce}"
    talk = run.ask(nonce, prompt)

    refused = [one for one in talk.exchanges if one.streamed]
    answered = [one for one in talk.exchanges if not one.streamed]
    prove(len(refused) == 1, f"the stream was asked for {len(refused)} times, once was due")
    prove(len(answered) == 1, f"the upstream got {len(answered)} non-streaming requests, one was due")
    talk.prove_answer(nonce)
    run.prove_intact(Talk(talk.result, answered), prompt)
    return run.passed()
