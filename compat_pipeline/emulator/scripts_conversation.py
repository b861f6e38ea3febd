"""What the persona answers where one conversation leads to another: search, sub-agent, resumed session, summary."""

from __future__ import annotations

import re

from compat_pipeline.emulator.contract import Call, Json, blocks_of
from compat_pipeline.emulator.script import Said, Script, Turn, result_text, text, use, words
from compat_pipeline.wire.exchange import NONCE_PATTERN

_PASSWORD = re.compile(r"The password is (\w+)\.")
_SECRET = re.compile(r"You keep the password (\w+)\.")
_TOLD_SECRET = re.compile(r"My password is (\w+)\.")
_TITLE = re.compile(r'"title":\s*"([^"]+)"')


def _look_up(call: Call, turn: Turn, match: re.Match[str]) -> Said:
    query, nonce = match.groups()
    if turn.tool_results:
        title = _TITLE.search(result_text(turn.tool_results[-1]))
        return text(call, f"{nonce} {title[1] if title else 'no page'}")
    return use(call, "WebSearch", {"query": query}) or text(call, f"{nonce} I have no WebSearch tool.")


def _delegate(call: Call, turn: Turn, match: re.Match[str]) -> Said:
    agent, task, nonce = match.groups()
    if turn.tool_results:
        told = _TOLD_SECRET.search(result_text(turn.tool_results[-1]))
        return text(call, f"{nonce} {told[1] if told else 'no password'}")
    arguments = {"description": "Ask for the password", "prompt": task, "subagent_type": agent}
    started = use(call, "Agent", arguments) or use(call, "Task", arguments)
    return started or text(call, f"{nonce} I have no sub-agents.")


def _tell_secret(call: Call, _: Turn, __: re.Match[str]) -> Said:
    secret = _SECRET.search(words(blocks_of({"content": call.request.get("system")})))
    return text(call, f"My password is {secret[1]}." if secret else "I keep no password.")


def _recall(call: Call, _: Turn, match: re.Match[str]) -> Said:
    """What was told and what was answered, as far as the request still holds it."""
    password = _PASSWORD.search("\n".join(_said(call.messages, "user")))
    answer = (_said(call.messages, "assistant") or ["no answer"])[-1]
    return text(call, f"{match[1]} {password[1] if password else 'no password'} {answer}")


def _tell_password(call: Call, _: Turn, match: re.Match[str]) -> Said:
    password = _PASSWORD.search("\n".join(_said(call.messages, "user")))
    return text(call, f"{match[1]} {password[1] if password else 'no password'}")


def _summarise(call: Call, _: Turn, __: re.Match[str]) -> Said:
    """All that either side said before, word for word: nothing is left out of a conversation this short."""
    users, own = ("\n".join(f"- {told}" for told in _said(call.messages[:-1], role)) for role in ("user", "assistant"))
    return text(
        call,
        "<analysis>\nA short conversation; every message counts.\n</analysis>\n\n"
        f"<summary>\n1. All user messages:\n{users}\n\n2. All of my answers:\n{own}\n</summary>",
    )


def _said(messages: list[Json], role: str) -> list[str]:
    """The words of each message of `role`."""
    return [said for one in messages if one["role"] == role and (said := words(blocks_of(one)))]


SCRIPTS = (
    Script(
        re.compile(
            r"Use the WebSearch tool once, with exactly this query: `([^`]+)`\. "
            rf"Then reply with the code ({NONCE_PATTERN}) followed by the title"
        ),
        _look_up,
    ),
    Script(
        re.compile(rf"Which password did I tell you\? Reply with the code ({NONCE_PATTERN}), then that password"),
        _recall,
    ),
    Script(
        re.compile(rf"Which password did I tell you\? Reply with the code ({NONCE_PATTERN}) followed by that password"),
        _tell_password,
    ),
    Script(re.compile(r"Your task is to create a detailed summary of the conversation so far"), _summarise),
    Script(
        re.compile(
            r"Start the sub-agent (\w+) once, with exactly this prompt: `([^`]+)` "
            rf"Then reply with the code ({NONCE_PATTERN}) followed by the password"
        ),
        _delegate,
    ),
    Script(re.compile(rf"\ATell me your password, for {NONCE_PATTERN}"), _tell_secret),
)
