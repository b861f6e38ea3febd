"""A tool of a stdio MCP server is offered with its schema, called with its input, and its random word comes back.

Source: Claude Code, MCP (a server's tools are named mcp__SERVER__TOOL; results are content blocks); Anthropic, tool
use. LiteLLM bugs #15307 and #25561 (tool input lost). Deferred loading of such tools is another row, so it is off.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun, prove
from compat_pipeline.suite.tool_turn import WITHOUT_THINKING, Due, offered, prove_tool_turn

_SERVER = Path(__file__).with_name("server.py")
_TOOL = "mcp__lottery__draw"


def probe(run: CellRun) -> Outcome:
    """Let the model draw a word that only the server knows."""
    nonce, label, word = run.nonce(), secrets.token_hex(4), secrets.token_hex(4)
    prompt = (
        f"Call the tool {_TOOL} once, with the label `{label}`. "
        f"Then reply with the code {nonce} followed by what it returned, and nothing else."
    )
    talk = run.converse(
        nonce,
        prompt,
        turns=2,
        files={_SERVER.name: _SERVER.read_bytes()},
        mcp_servers={"lottery": {"command": sys.executable, "args": ["-IS", _SERVER.name, word]}},
        allowed_tools=(_TOOL,),
        extra_env={**WITHOUT_THINKING, "ENABLE_TOOL_SEARCH": "false"},
    )

    sent, came = (offered(request, _TOOL) for request in (talk.client[0].request, talk.exchanges[0].request))
    prove(sent is not None, "Claude Code did not offer the server's tool", cause="client")
    for part in ("description", "input_schema"):
        prove(
            (came or {}).get(part) == (sent or {})[part], f"the {part} of the server's tool did not reach the upstream"
        )
    prove_tool_turn(talk, 0, Due(_TOOL, {"label": label}, f"{label} {word}"))
    talk.prove_answer(f"{nonce} {label} {word}")
    return run.passed()
