"""A stdio MCP server with one tool, `draw`: it returns the label it is given and the word this process was given.

Run by Claude Code in a folder of its own, so it needs nothing but Python. Speaks JSON-RPC, a message a line (source:
Model Context Protocol, stdio transport, life cycle and tools).
"""

import json
import sys

_SCHEMA = {"type": "object", "properties": {"label": {"type": "string"}}, "required": ["label"]}
_TOOL = {"name": "draw", "description": "Draws a word from the lottery, for a label.", "inputSchema": _SCHEMA}


def _answer(method: str, params: dict) -> dict:  # type: ignore[type-arg]
    if method == "initialize":
        info = {"name": "lottery", "version": "1"}
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info}
    if method == "tools/list":
        return {"tools": [_TOOL]}
    if method == "tools/call":
        return {"content": [{"type": "text", "text": f"{params['arguments']['label']} {sys.argv[1]}"}]}
    return {}


for line in sys.stdin:
    message = json.loads(line)
    if "id" in message and "method" in message:
        reply = {"jsonrpc": "2.0", "id": message["id"], "result": _answer(message["method"], message.get("params", {}))}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()
