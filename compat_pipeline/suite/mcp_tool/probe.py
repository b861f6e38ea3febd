"""A tool of a stdio MCP server is offered with its schema, called with its input, and its random word comes back.

Source: Claude Code, MCP (a server's tools are named mcp__SERVER__TOOL; results are content blocks); Anthropic, tool
use. LiteLLM bugs #15307 and #25561 (tool input lost). Deferred loading of such tools is another row, so it is off.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Any

from compat_pipeline.domain.observation import Inconclusive, Outcome
from compat_pipeline.suite.cell_run import CellRun, Judged, Talk, prove
from compat_pipeline.suite.tool_turn import WITHOUT_THINKING, Due, offered, prove_tool_turn

_SERVER = Path(__file__).with_name("server.py")
_NAME = "lottery"
_TOOL = f"mcp__{_NAME}__draw"


def probe(run: CellRun) -> Outcome:
    """Let the model draw a word that only the server knows."""
    nonce, label, word = run.nonce(), secrets.token_hex(4), secrets.token_hex(4)
    prompt = (
        f"Call the tool {_TOOL} once, with the label `{label}`. "
        f"Then reply with the code {nonce} followed by what it returned, and nothing else."
    )
    talk = run.ask(
        nonce,
        prompt,
        files={_SERVER.name: _SERVER.read_bytes()},
        mcp_servers={_NAME: {"command": sys.executable, "args": ["-IS", _SERVER.name, word]}},
        allowed_tools=(_TOOL,),
        extra_env={**WITHOUT_THINKING, "ENABLE_TOOL_SEARCH": "false"},
    )
    sent = _offer(talk)
    run.prove_sound(talk, prompt, turns=2)

    came = offered(talk.exchanges[0].request, _TOOL) or {}
    for part in ("description", "input_schema"):
        prove(came.get(part) == sent[part], f"the {part} of the server's tool did not reach the upstream")
    prove_tool_turn(talk, 0, Due(_TOOL, {"label": label}, f"{label} {word}"))
    talk.prove_answer(f"{nonce} {label} {word}")
    return run.passed()


def _offer(talk: Talk) -> dict[str, Any]:
    """The tool as the CLI offers it. Without it the model has nothing to call, and its turns would tell nothing."""
    offer = offered(talk.client[0].request, _TOOL) if talk.client else None
    status = talk.result.mcp_servers.get(_NAME, "connected")
    if offer is None and status != "connected":
        story = f"the MCP server did not start on this machine: Claude Code calls it {status}"
        raise Judged(Inconclusive(cause="environment", error=story))
    prove(offer is not None, "Claude Code did not offer the server's tool", cause="client")
    return offer or {}
