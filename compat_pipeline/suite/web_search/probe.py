"""A web search: the nested request reaches the provider with its search tool, and what was found reaches the answer.

Source: Anthropic's web search tool documentation; Claude Code's WebSearch tool, which searches in a request of its
own that carries the query and `web_search_20250305`; LiteLLM bugs #26252, #25477 and #36477 (nested search refused or
empty). Claude Code may defer WebSearch behind its ToolSearch, which is another row; so that is switched off.
"""

from __future__ import annotations

from typing import Any

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun, Talk, expect_of_model, prove
from compat_pipeline.suite.crossing import blocks, user_text
from compat_pipeline.suite.tool_turn import WITHOUT_THINKING, Due, prove_tool_turn

_TOOL = "WebSearch"
_SWITCHES = {**WITHOUT_THINKING, "ENABLE_TOOL_SEARCH": "false"}


def probe(run: CellRun) -> Outcome:
    """Let the model search for a code that stands on no page, and tell what was found for it."""
    nonce = run.nonce()
    query = f"lighthouse {nonce}"
    prompt = (
        f"Use the {_TOOL} tool once, with exactly this query: `{query}`. "
        f"Then reply with the code {nonce} followed by the title of the first page it found, and nothing else."
    )
    talk = run.converse(
        nonce, prompt, turns=3, nested=True, tools=(_TOOL,), allowed_tools=(_TOOL,), extra_env=_SWITCHES
    )

    asked, came = talk.client[1], talk.exchanges[1]
    prove(query in user_text(came.request), "the nested request did not carry the query to the upstream")
    for part in ("tools", "tool_choice"):
        due, seen = _asked(asked.request, part), _asked(came.request, part)
        prove(seen == due, f"the {part} {due} of the nested request reached the upstream as {seen}")
    found = results(came.reply or {})
    expect_of_model(bool(found), "the provider was asked to search, but did not")
    prove(results(asked.message or {}) == found, "the search results that the upstream sent did not reach the CLI")
    pages = [page for result in found for page in result["content"] if isinstance(page, dict)]
    expect_of_model(bool(pages), f"the provider's search failed or found nothing: {found}")
    prove_tool_turn(
        Talk(talk.result, talk.client[::2], talk.exchanges[::2]), 0, Due(_TOOL, {"query": query}, pages[0]["title"])
    )
    talk.prove_answer(f"{nonce} {pages[0]['title']}")
    return run.passed()


def results(message: dict[str, Any]) -> list[dict[str, Any]]:
    """What the searches of a message brought: for each, its id and the pages."""
    return [
        {"tool_use_id": block.get("tool_use_id"), "content": block.get("content")}
        for block in blocks(message)
        if block.get("type") == "web_search_tool_result"
    ]


def _asked(request: dict[str, Any], part: str) -> Any:
    if part == "tools":
        return [(tool.get("type"), tool.get("name")) for tool in request.get("tools") or []]
    return request.get(part)
