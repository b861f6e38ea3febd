"""What every tool turn must prove: the calls arrive whole, each is answered under its own id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from compat_pipeline.domain.observation import Inconclusive
from compat_pipeline.suite.cell_run import Judged, Talk, expect_of_model, prove
from compat_pipeline.suite.crossing import blocks

WITHOUT_THINKING = {"MAX_THINKING_TOKENS": "0"}
"""For rows on tools: thinking across tool calls is another feature, and its faults must not turn these red."""


@dataclass(frozen=True)
class Due:
    """A call the model was led to: `inputs` are in its input, maybe among others; `output` is in the tool's result."""

    name: str
    inputs: dict[str, Any]
    output: str = ""


def prove_tool_turn(talk: Talk, turn: int, *due: Due) -> None:
    """In the model's turn number `turn` (from 0) it made the calls that are `due`, in order, and no other.

    Each reached the CLI as the upstream sent it, and its result went back with the next request under its id. What
    the CLI itself did not send is not held against the proxy.
    """
    issued = tool_calls(talk.replies[turn])
    asked = [(call["name"], call["input"]) for call in issued]
    expect_of_model(
        len(issued) == len(due) and all(_is_due(call, one) for call, one in zip(issued, due, strict=True)),
        f"the model was led to call {[(one.name, one.inputs) for one in due]}, but called {asked}",
    )
    seen = {call.id: call for call in talk.result.tool_calls}
    own, results = talk.client[turn + 1].request, _results(talk.exchanges[turn + 1].request)
    for call, one in zip(issued, due, strict=True):
        got = seen.get(call["id"])
        prove(got is not None, f"the call of {one.name} ({call['id']}) did not reach the CLI")
        if got is not None:
            prove(got.name == one.name, f"the CLI was told to call {got.name}, the model called {one.name}")
            prove(got.input == call["input"], f"the input of {one.name} arrived as {got.input}, not {call['input']}")
        given = any(one.output in str(result.get("content")) for result in _answers(_results(own), call))
        prove_tool_gave(own, call, given)
        answers = _answers(results, call)
        prove(len(answers) == 1, f"{len(answers)} results of {one.name} ({call['id']}) reached the upstream")
        prove(one.output in str(answers[0].get("content")), f"the output of {one.name} did not reach the upstream")
    prove(len(results) == len(due), f"{len(results)} tool results reached the upstream, {len(due)} were due")


def prove_tool_gave(own: dict[str, Any], call: dict[str, Any], gave: bool) -> None:
    """The tool that was called gave what was due: `gave` says whether the CLI's `own` next request has it.

    A tool that failed did so on this machine, and judges no product.
    """
    failed = [result for result in _answers(_results(own), call) if result.get("is_error")]
    if failed and not gave:
        story = f"{call['name']} failed on this machine: {failed[0].get('content')}"
        raise Judged(Inconclusive(cause="environment", error=story))
    prove(gave, f"Claude Code did not send the output of {call['name']}", cause="client")


def tool_calls(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The tool calls of a message, in order."""
    return [block for block in message["content"] if block["type"] == "tool_use"]


def offered(request: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The tool `name` as a Messages request offers it."""
    return next((tool for tool in request.get("tools") or [] if tool.get("name") == name), None)


def _is_due(call: dict[str, Any], due: Due) -> bool:
    return bool(call["name"] == due.name and due.inputs.items() <= call["input"].items())


def _answers(results: list[dict[str, Any]], call: dict[str, Any]) -> list[dict[str, Any]]:
    return [result for result in results if result.get("tool_use_id") == call["id"]]


def _results(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The tool results that a request adds to the conversation."""
    return [block for block in blocks(request["messages"][-1]) if block.get("type") == "tool_result"]
