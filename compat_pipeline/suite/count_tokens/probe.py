"""The provider is asked how many tokens a request with tools has, and its number comes back.

Source: Anthropic's token counting documentation (system and tools count too), Claude Code's gateway guide (the
endpoint is to be served), LiteLLM's token counting documentation, which names the providers whose own API it asks;
LiteLLM bugs #37102, #27632 and #26436 (a wrong number, tools ignored). A local estimate is a guess, and a fail.
The request is shaped as Claude Code's; its `/context` command sends 16 of them, which would prove nothing more.
"""

from __future__ import annotations

from typing import Any

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun, prove
from compat_pipeline.suite.crossing import blocks

_OK = 200
_PATH = "/v1/messages/count_tokens?beta=true"
_BETAS = "claude-code-20250219,interleaved-thinking-2025-05-14,token-counting-2024-11-01"
_TOOL = {
    "name": "Weigh",
    "description": "Weighs a parcel and tells what it costs to send it to a country, with and without insurance.",
    "input_schema": {
        "type": "object",
        "properties": {"parcel": {"type": "string"}, "country": {"type": "string"}, "insured": {"type": "boolean"}},
        "required": ["parcel", "country"],
    },
}


def probe(run: CellRun) -> Outcome:
    """Count one request with a system prompt, a tool and a code."""
    nonce = run.nonce()
    system = "You work at the post office."
    prompt = f"What does it cost to send the parcel {nonce} to Norway?"
    body = {
        "model": run.cell.target,
        "system": [{"type": "text", "text": system}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": prompt}]}],
        "tools": [_TOOL],
    }
    direct = run.post(nonce, _PATH, body, {"anthropic-beta": _BETAS})
    told = direct.client.body or {}
    counted = [one for one in direct.exchanges if one.operation == "count_tokens" and one.status == _OK]
    source = told.get("litellm_count_source", "unknown")
    prove(
        bool(counted),
        f"the proxy told {told.get('input_tokens')} tokens without asking the upstream (source: {source})",
    )
    prove(len(counted) == 1, f"the upstream was asked to count {len(counted)} times")
    request = counted[0].request
    # A provider may count under the name of a model without its date.
    prove(
        run.cell.model in counted[0].model, f"asked for {run.cell.model}, the upstream counted for {counted[0].model}"
    )
    prove(prompt in _texts(request["messages"][-1]), "the user's words did not reach the upstream whole")
    prove(system in _texts({"content": request.get("system")}), "the system prompt was not counted")
    tools = [(tool.get("name"), tool.get("input_schema")) for tool in request.get("tools") or []]
    prove(tools == [(_TOOL["name"], _TOOL["input_schema"])], f"one tool was to be counted, the upstream saw {tools}")
    due = (counted[0].reply or {}).get("input_tokens")
    prove(told.get("input_tokens") == due, f"the upstream counted {due} tokens, the client was told {told}")
    return run.passed()


def _texts(message: dict[str, Any]) -> list[str]:
    return [block["text"] for block in blocks(message) if block.get("type") == "text"]
