"""A request with `stream: false` is answered with the whole message as one JSON document, and asked so upstream.

Source: Anthropic, Messages API. Claude Code itself always streams first, so this request goes straight to the proxy:
it is that of the scripts and SDK programs that share a gateway with it. LiteLLM bug #30024 (empty text).
"""

from __future__ import annotations

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import INPUT_COUNTS, CellRun, expect_of_model, prove
from compat_pipeline.suite.crossing import harm

_MAX_TOKENS = 10_000
_SYSTEM = ("You answer to the letter.", "You add nothing of your own.")


def probe(run: CellRun) -> Outcome:
    """One plain question, without the CLI."""
    nonce = run.nonce()
    prompt = f"Reply with exactly this code and nothing else: {nonce}"
    body = {
        "model": run.cell.target,
        "max_tokens": _MAX_TOKENS,
        "system": [{"type": "text", "text": text} for text in _SYSTEM],
        "messages": [{"role": "user", "content": prompt}],
        "stream": False,
    }
    direct = run.post(nonce, "/v1/messages", body)
    prove(len(direct.exchanges) == 1, f"the upstream got {len(direct.exchanges)} requests, one was due")
    exchange, message = direct.exchanges[0], direct.client.message or {}
    prove(not exchange.streamed, "a whole answer was asked for, the upstream was asked for a stream")
    prove(not direct.client.events, "a whole answer was asked for, the proxy sent a stream")
    run.prove_model(exchange)
    changed = harm([direct.client], direct.exchanges)
    prove(not changed, "; ".join(changed))
    reply = exchange.reply or {}
    said = [block.get("text") for block in reply.get("content", [])]
    expect_of_model(said == [nonce], f"the model was led to answer '{nonce}', but answered {said}")
    for part in ("role", "content", "stop_reason"):
        prove(message.get(part) == reply[part], f"the {part} {reply[part]} arrived as {message.get(part)}")
    usage = message.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    for name in (*INPUT_COUNTS, "output_tokens"):
        sent, told = reply["usage"][name] or 0, counts.get(name) or 0
        prove(told == sent, f"the upstream counted {sent} {name}, the client was told {told}")
    return run.passed()
