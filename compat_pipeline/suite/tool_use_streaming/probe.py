"""Fine-grained tool streaming is asked for upstream, and the tool's input arrives in pieces that add up to it.

Source: Anthropic, fine-grained tool streaming (`eager_input_streaming`, on all models and platforms); Bedrock takes
the beta of the same feature instead. Claude Code asks for it with CLAUDE_CODE_ENABLE_FINE_GRAINED_TOOL_STREAMING=1.
LiteLLM bugs #23825 (`eager_input_streaming: Extra inputs are not permitted`), #15307 and #25561 (input lost).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from typing import Any

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun, prove
from compat_pipeline.suite.tool_turn import WITHOUT_THINKING, Due, offered, prove_tool_turn, tool_calls

_BETA = "fine-grained-tool-streaming-2025-05-14"
_LEAST_PIECES = 3


def probe(run: CellRun) -> Outcome:
    """Let the model echo a dozen random words; read the input as the proxy passed it on."""
    nonce, words = run.nonce(), " ".join(secrets.token_hex(4) for _ in range(12))
    command = f"echo {words}"
    prompt = (
        f"Use the Bash tool to run exactly this command: `{command}`. "
        f"Then reply with the code {nonce} followed by the command's output."
    )
    switch = {"CLAUDE_CODE_ENABLE_FINE_GRAINED_TOOL_STREAMING": "1"}
    talk = run.converse(
        nonce, prompt, turns=2, tools=("Bash",), allowed_tools=("Bash(echo:*)",), extra_env=WITHOUT_THINKING | switch
    )

    asked = all(_asked(one.request, one.request_headers.get("anthropic-beta", "")) for one in talk.client)
    prove(asked, "Claude Code did not ask for fine-grained tool streaming", "client")
    asked = all(_asked(one.request, ",".join(one.betas)) for one in talk.exchanges)
    prove(asked, "fine-grained tool streaming was not asked for upstream")
    prove_tool_turn(talk, 0, Due("Bash", {"command": command}, words))
    pieces = _input_pieces(talk.client[0].events)
    whole = tool_calls(talk.replies[0])[0]["input"]
    prove(_read("".join(pieces)) == whole, f"the pieces of the tool's input add up to '{''.join(pieces)}'")
    prove(
        len(pieces) >= _LEAST_PIECES,
        f"the tool's input came in {len(pieces)} piece(s): it was buffered, not streamed",
    )
    talk.prove_answer(f"{nonce} {words}")
    return run.passed()


def _asked(request: dict[str, Any], betas: str) -> bool:
    tool = offered(request, "Bash") or {}
    return tool.get("eager_input_streaming") is True or _BETA in betas


def _input_pieces(events: Iterable[dict[str, Any]]) -> list[str]:
    deltas = (event["delta"] for event in events if event["type"] == "content_block_delta")
    return [delta["partial_json"] for delta in deltas if delta.get("partial_json")]


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
