"""The persona uses the tools it is led to, and answers from what they gave back."""

from __future__ import annotations

from typing import Any

from compat_pipeline.emulator.persona import reply_to
from compat_pipeline_tests.emulator.emulated import BASH, ask, assistant, call_of, tool_result, user

CODE = "nonce-0123456789ab"
BOTH = (
    "Run both of these commands at once, with two calls of the Bash tool in one message: `echo a` and `echo b`. "
    f"Then reply with the code {CODE}, the output of the second and that of the first"
)
DRAW = (
    f"Call the tool mcp__lottery__draw once, with the label `x`. Then reply with the code {CODE} "
    "followed by what it returned"
)
TASK = f"Create a task with the subject `x`. Then reply with the code {CODE} followed by the number of the task"
FILL_IN = f"Give a structured answer: `code` is {CODE}, and everything else the last value that its schema allows"
LOTTERY = {"name": "mcp__lottery__draw", "input_schema": {"type": "object", "properties": {}}}
SEARCH = {"name": "ToolSearch", "input_schema": {"type": "object", "properties": {}}}
TASKS = {"name": "TaskCreate", "defer_loading": True, "input_schema": {"type": "object", "properties": {}}}


def answer(prompt: str, *since: dict[str, Any], tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the persona says to `prompt` and the turns since."""
    content, _ = reply_to(call_of(ask("", messages=[user(prompt), *since], tools=tools)))
    return content


def used(tool_id: str, name: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": tool_id, "name": name, "input": arguments}


def found(tool_id: str, *content: dict[str, Any]) -> dict[str, Any]:
    """What Claude Code sends after a search."""
    return user({"type": "tool_result", "tool_use_id": tool_id, "content": list(content)}, "Tool loaded.")


def test_it_calls_two_tools_at_once() -> None:
    assert [call["input"]["command"] for call in answer(BOTH, tools=[BASH])] == ["echo a", "echo b"]


def test_it_tells_parallel_results_apart_by_their_ids() -> None:
    calls = assistant(used("toolu_1", "Bash", command="echo a"), used("toolu_2", "Bash", command="echo b"))
    results = user(tool_result("toolu_2", "b"), tool_result("toolu_1", "a"))
    assert answer(BOTH, calls, results, tools=[BASH])[0]["text"] == f"{CODE} b a"


def test_a_lost_parallel_result_shows() -> None:
    calls = assistant(used("toolu_1", "Bash", command="echo a"), used("toolu_2", "Bash", command="echo b"))
    assert answer(BOTH, calls, user(tool_result("toolu_1", "a")), tools=[BASH])[0]["text"] == f"{CODE} nothing a"


def test_it_calls_a_tool_by_its_name_and_tells_what_it_returned() -> None:
    (call,) = answer(DRAW, tools=[LOTTERY])
    assert (call["name"], call["input"]) == ("mcp__lottery__draw", {"label": "x"})
    assert (
        answer(DRAW, assistant(call), user(tool_result(call["id"], "x y")), tools=[LOTTERY])[0]["text"] == f"{CODE} x y"
    )


def test_it_searches_for_a_tool_it_has_not_got() -> None:
    (call,) = answer(TASK, tools=[SEARCH])
    assert (call["name"], call["input"]["query"]) == ("ToolSearch", "select:TaskCreate")


def test_it_calls_a_tool_that_a_search_has_found() -> None:
    search = assistant(used("toolu_1", "ToolSearch", query="select:TaskCreate"))
    reference = {"type": "tool_reference", "tool_name": "TaskCreate"}
    (call,) = answer(TASK, search, found("toolu_1", reference), tools=[SEARCH, TASKS])
    assert (call["name"], call["input"]["subject"]) == ("TaskCreate", "x")
    created = user(tool_result(call["id"], "Task #3 created"))
    said = answer(TASK, search, found("toolu_1", reference), assistant(call), created, tools=[SEARCH, TASKS])
    assert said[0]["text"] == f"{CODE} 3"


def test_it_does_not_call_a_tool_whose_reference_was_lost() -> None:
    search = assistant(used("toolu_1", "ToolSearch", query="select:TaskCreate"))
    assert (
        answer(TASK, search, found("toolu_1"), tools=[SEARCH, TASKS])[0]["text"] == f"{CODE} I have no tool TaskCreate."
    )


def test_it_fills_in_the_schema_that_reached_it() -> None:
    nested = {"type": "object", "properties": {"n": {"type": "integer", "enum": [1, 2]}}}
    schema = {"type": "object", "properties": {"code": {"type": "string"}, "nested": nested}}
    (call,) = answer(FILL_IN, tools=[{"name": "StructuredOutput", "input_schema": schema}])
    assert call["input"] == {"code": CODE, "nested": {"n": 2}}


def test_without_a_schema_it_answers_in_prose() -> None:
    assert answer(FILL_IN, tools=[BASH])[0]["type"] == "text"
