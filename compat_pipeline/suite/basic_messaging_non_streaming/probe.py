"""The `stream: false` request that Claude Code falls back to is answered whole and counted right.

Claude Code always streams first; it sends `stream: false` after a 404 for the stream (measured on 2.1.329). So the
stream of this one conversation is refused before the proxy, and what is judged is the request after it.
"""

from __future__ import annotations

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun, prove
from compat_pipeline.suite.ways import by_every_authentication


def probe(run: CellRun) -> Outcome:
    """The fallback by every authentication of the route."""
    return by_every_authentication(run, _fall_back)


def _fall_back(run: CellRun) -> Outcome:
    """Refuse the stream once; the fallback must bring the code back."""
    nonce = run.nonce()
    prompt = f"Reply with exactly this code and nothing else: {nonce}"
    talk = run.ask(nonce, prompt, refuse_streams=True)

    asked = [one.streamed for one in talk.client]
    prove(asked == [True, False], f"a stream, then a request without one were due; streamed: {asked}", "client")
    prove(len(talk.exchanges) == 1, f"the upstream got {len(talk.exchanges)} requests, one was due")
    talk.prove_answer(nonce)
    run.prove_intact(talk, prompt)
    return run.passed()
