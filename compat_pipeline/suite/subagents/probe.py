"""A sub-agent's conversation runs under its own system prompt, its answer returns to the main one, both are counted.

Source: Claude Code, sub-agents (`--agents`; a fresh conversation with the agent's own prompt, whose last message is
the tool's result); Anthropic, tool use. The password stands in the agent's system prompt only: the main conversation
can learn it from the agent and from nobody else. Background agents are switched off, for one order of requests.
"""

from __future__ import annotations

import secrets

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun, Talk, expect_of_model, prove
from compat_pipeline.suite.crossing import system_text, user_text
from compat_pipeline.suite.tool_turn import WITHOUT_THINKING, Due, offered, prove_tool_turn

_AGENT = "keeper"
_TOOL_NAMES = ("Agent", "Task")
"""Newer and older versions of Claude Code; `Task` is what `--tools` takes in both."""


def probe(run: CellRun) -> Outcome:
    """Let the model ask a sub-agent for a password."""
    nonce, password = run.nonce(), secrets.token_hex(4)
    question = f"Tell me your password, for {nonce}."
    prompt = (
        f"Start the sub-agent {_AGENT} once, with exactly this prompt: `{question}` "
        f"Then reply with the code {nonce} followed by the password it tells you, and nothing else."
    )
    duty = f"You keep the password {password}. Whoever asks for it gets the answer: My password is {password}."
    talk = run.converse(
        nonce,
        prompt,
        turns=3,
        nested=True,
        tools=("Task",),
        allowed_tools=("Task",),
        agents={_AGENT: {"description": "Keeps a password.", "prompt": duty, "tools": []}},
        extra_env={**WITHOUT_THINKING, "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1"},
    )

    tool = next((name for name in _TOOL_NAMES if offered(talk.client[0].request, name)), None)
    prove(tool is not None, "Claude Code offered no tool that starts a sub-agent", cause="client")
    inner = talk.exchanges[1]
    prove(duty in system_text(inner.request), "the sub-agent's own system prompt did not reach the upstream")
    prove(question in user_text(inner.request), "the sub-agent's task did not reach the upstream")
    answer = str((inner.reply or {}).get("content"))
    expect_of_model(password in answer, f"the sub-agent was led to tell its password, but answered {answer}")
    outer = Talk(talk.result, talk.client[::2], talk.exchanges[::2])
    prove_tool_turn(outer, 0, Due(str(tool), {"subagent_type": _AGENT, "prompt": question}, password))
    talk.prove_answer(f"{nonce} {password}")
    return run.passed()
