"""Tools that run on the provider's side: what a web search and a tool search leave in the answer."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable

from compat_pipeline.emulator.contract import Call, Json

WEB_SEARCH_TYPE = "web_search_"
TOOL_SEARCH_TYPE = "tool_search_tool_"

_SECRET = secrets.token_bytes(16)
_ID_PREFIX = {"vertex_ai": "srvtoolu_vrtx_", "bedrock_invoke": "srvtoolu_bdrk_", "bedrock_converse": "srvtoolu_bdrk_"}


def server_tool(call: Call, type_prefix: str) -> Json | None:
    """The offered server tool whose type begins with `type_prefix`, such as WEB_SEARCH_TYPE."""
    if call.setting("tool_choice").get("type") == "none":
        return None
    return next((tool for tool in call.tools if str(tool.get("type")).startswith(type_prefix)), None)


def web_search(call: Call, query: str) -> list[Json]:
    """The search, its result, and an answer that cites it; nobody can guess what was found."""
    finding = hmac.digest(_SECRET, query.encode(), hashlib.sha256).hex()[:12]
    page = {"url": f"https://search.example/{finding}", "title": f"Finding {finding}"}
    result = {"type": "web_search_result", **page, "encrypted_content": _opaque(query), "page_age": None}
    asked = _server_tool_use(call, "web_search", {"query": query})
    sentence = f"The search says: finding {finding}."
    citation = {
        "type": "web_search_result_location",
        **page,
        "encrypted_index": _opaque(finding),
        "cited_text": sentence,
    }
    return [
        asked,
        {"type": "web_search_tool_result", "tool_use_id": asked["id"], "content": [result]},
        {"type": "text", "text": sentence, "citations": [citation]},
    ]


def tool_search(call: Call, pattern: str, names: Iterable[str]) -> list[Json]:
    """The search for `pattern`, and references to the tools it found."""
    tool = server_tool(call, TOOL_SEARCH_TYPE)
    asked = _server_tool_use(call, str(tool and tool.get("name")), {"pattern": pattern})
    found = [{"type": "tool_reference", "tool_name": name} for name in names]
    result = {"type": "tool_search_tool_search_result", "tool_references": found}
    return [asked, {"type": "tool_search_tool_result", "tool_use_id": asked["id"], "content": result}]


def requests_made(content: list[Json]) -> Json | None:
    """`usage.server_tool_use` of an answer; None when no web search was made."""
    searches = sum(block["type"] == "web_search_tool_result" for block in content)
    return {"web_search_requests": searches, "web_fetch_requests": 0} if searches else None


def _server_tool_use(call: Call, name: str, arguments: Json) -> Json:
    tool_id = _ID_PREFIX.get(call.provider, "srvtoolu_") + secrets.token_hex(12)
    return {"type": "server_tool_use", "id": tool_id, "name": name, "input": arguments}


def _opaque(text: str) -> str:
    return hmac.digest(_SECRET, f"sealed {text}".encode(), hashlib.sha512).hex()
