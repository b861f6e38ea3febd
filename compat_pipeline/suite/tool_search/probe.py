"""A deferred tool is found by Claude Code's ToolSearch, reaches the model as a reference, and is called.

Source: Anthropic, tool search (`defer_loading`, `tool_reference` in a tool result); Claude Code, ENABLE_TOOL_SEARCH.
LiteLLM bug #28083 (refused by Bedrock Invoke). Measured on Claude Code 2.1.329: a deferred tool is named in the prompt
and joins `tools` once it was found.
"""

from __future__ import annotations

import secrets

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun, prove
from compat_pipeline.suite.tool_turn import WITHOUT_THINKING, Due, offered, prove_tool_turn

_DEFERRED = "TaskCreate"


def probe(run: CellRun) -> Outcome:
    """Let the model search for a tool that it has not got, and use it."""
    nonce, subject = run.nonce(), secrets.token_hex(4)
    prompt = (
        f"Create a task with the subject `{subject}`. Then reply with the code {nonce} followed by the number of the "
        "task, separated by a single space, and nothing else."
    )
    switch = {"ENABLE_TOOL_SEARCH": "true"}
    talk = run.converse(nonce, prompt, turns=3, tools=("ToolSearch", _DEFERRED), extra_env=WITHOUT_THINKING | switch)

    asked, found, used = (exchange.request for exchange in talk.exchanges)
    prove(offered(asked, _DEFERRED) is None, f"{_DEFERRED} was offered before it was searched for", cause="client")
    prove_tool_turn(talk, 0, Due("ToolSearch", {"query": f"select:{_DEFERRED}"}, "tool_reference"))
    for request in (found, used):
        deferred = (offered(request, _DEFERRED) or {}).get("defer_loading")
        prove(deferred is True, f"{_DEFERRED} reached the upstream with defer_loading {deferred}: loaded, not deferred")
    prove_tool_turn(talk, 1, Due(_DEFERRED, {"subject": subject}, subject))
    talk.prove_answer(f"{nonce} 1")
    return run.passed()
