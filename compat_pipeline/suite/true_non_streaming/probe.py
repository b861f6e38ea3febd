"""A request with `stream: false` is answered with the whole message as one JSON document, and asked so upstream.

Source: Anthropic, Messages API. Claude Code itself always streams first, so this request goes straight to the proxy:
it is that of the scripts and SDK programs that share a gateway with it. LiteLLM bug #30024 (empty text).
"""

from __future__ import annotations

from compat_pipeline.domain.causes import CliFault, UpstreamAnswer, classify
from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import INPUT_COUNTS, CellRun, Direct, Judged, expect_of_model, prove
from compat_pipeline.suite.crossing import user_text

_OK = 200
_MAX_TOKENS = 1000
_SYSTEM = "You answer to the letter."


def probe(run: CellRun) -> Outcome:
    """One plain question, without the CLI."""
    nonce = run.nonce()
    prompt = f"Reply with exactly this code and nothing else: {nonce}"
    body = {
        "model": run.cell.target,
        "max_tokens": _MAX_TOKENS,
        "system": _SYSTEM,
        "messages": [{"role": "user", "content": prompt}],
        "stream": False,
    }
    direct = run.post(nonce, "/v1/messages", body)
    _judge_refusal(direct)

    prove(len(direct.exchanges) == 1, f"the upstream got {len(direct.exchanges)} requests, one was due")
    exchange, message = direct.exchanges[0], direct.client.message
    prove(not exchange.streamed, "a whole answer was asked for, the upstream was asked for a stream")
    prove(run.route.endswith(exchange.model), f"asked for {run.route}, the upstream was asked for {exchange.model}")
    prove(_SYSTEM in str(exchange.request.get("system")), "the system prompt did not reach the upstream")
    prove(prompt in user_text(exchange.request), "the user's words did not reach the upstream whole")
    limit = exchange.request.get("max_tokens")
    prove(limit == _MAX_TOKENS, f"at most {_MAX_TOKENS} tokens were asked for, the upstream was allowed {limit}")
    prove(not direct.client.events, "a whole answer was asked for, the proxy sent a stream")
    if message is None or exchange.reply is None:
        raise Judged(classify(CliFault("other", direct.client.status, "no message in the answer"), _answers(direct)))
    said = [block.get("text") for block in exchange.reply["content"]]
    expect_of_model(said == [nonce], f"the model was led to answer '{nonce}', but answered {said}")
    for part in ("role", "content", "stop_reason"):
        sent, told = exchange.reply[part], message.get(part)
        prove(told == sent, f"the upstream answered with the {part} {sent}, the client was told {told}")
    for name in (*INPUT_COUNTS, "output_tokens"):
        sent, told = exchange.reply["usage"][name] or 0, (message.get("usage") or {}).get(name) or 0
        prove(told == sent, f"the upstream counted {sent} {name}, the client was told {told}")
    return run.passed()


def _judge_refusal(direct: Direct) -> None:
    """End with the fault's cause if the request was refused on either side of the proxy."""
    client = direct.client
    if client.status == _OK and all(one.status == _OK for one in direct.exchanges):
        return
    words = client.broken or client.unreadable or str((client.body or {}).get("error", client.body))
    raise Judged(classify(CliFault("api", client.status or None, words), _answers(direct)))


def _answers(direct: Direct) -> list[UpstreamAnswer]:
    return [UpstreamAnswer(status=one.status, error=one.error, rule=one.rule) for one in direct.exchanges]
