"""The long context that a user chose with `[1m]` is asked for at the provider.

Source: Claude Code's gateway guide: extended context is a beta header and nothing else, "silently unavailable when the
header is stripped", to be forwarded as it is; Claude Code's model configuration for which model has which window.
LiteLLM bug #21870 (the header nulled for Vertex AI). A prompt beyond 200,000 tokens would prove it too, at a dollar a
cell, and only where the provider does not serve long prompts anyway.
"""

from __future__ import annotations

from compat_pipeline.domain.observation import NotApplicable, Outcome
from compat_pipeline.suite.cell_run import CellRun, prove
from compat_pipeline.suite.tool_turn import WITHOUT_THINKING

_BETA = "context-1m-2025-08-07"
_WINDOW_TOKENS = 1_000_000
_NOT_ASKED_FOR = {
    "claude-haiku-4-5": "Claude Haiku 4.5 has a context window of 200,000 tokens.",
    "claude-opus-4-7": "Claude Opus 4.7 has its window of 1M tokens without being asked for it.",
}


def probe(run: CellRun) -> Outcome:
    """One short message to a model with the suffix `[1m]`."""
    if reason := _NOT_ASKED_FOR.get(run.cell.model):
        return NotApplicable(reason=reason)
    nonce = run.nonce()
    prompt = f"Reply with exactly this code and nothing else: {nonce}"
    talk = run.converse(nonce, prompt, model=f"{run.cell.target}[1m]", extra_env=WITHOUT_THINKING)

    asked = talk.client[0].request_headers.get("anthropic-beta", "")
    prove(_BETA in asked, f"Claude Code did not ask for the long context: '{asked}'", cause="client")
    windows = {usage.get("contextWindow") for usage in talk.result.model_usage.values()}
    prove(windows == {_WINDOW_TOKENS}, f"Claude Code works with a window of {windows} tokens", cause="client")
    seen = talk.exchanges[0].betas
    prove(_BETA in seen, f"the beta {_BETA} did not reach the upstream; these did: {', '.join(seen) or 'none'}")
    talk.prove_answer(nonce)
    return run.passed()
