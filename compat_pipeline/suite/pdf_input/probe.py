"""A PDF reaches the upstream bit by bit, and the word on its page comes back: beside a prompt, alone, from a tool.

Source: Anthropic's PDF support documentation and Claude Code's Read tool, which returns a PDF as a `document` inside
its `tool_result`; LiteLLM bugs #24641 (documents dropped on Converse), #36499 (a user turn of a document alone refused
there) and #38251 (`document` inside `tool_result` dropped). Each of the three pages bears a random word of its own.
"""

from __future__ import annotations

import base64
import secrets
from typing import Any

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun, expect_of_model, prove
from compat_pipeline.suite.crossing import blocks, said
from compat_pipeline.suite.tool_turn import WITHOUT_THINKING, prove_tool_gave, tool_calls

_FILE = "page.pdf"
_TURNS = 4
_SWITCHES = {
    **WITHOUT_THINKING,
    "CLAUDE_CODE_TOTAL_TOKENS_REMINDER": "off",  # words that would stand beside the document alone
}


def probe(run: CellRun) -> Outcome:
    """Show one page in the prompt and one without a word, then let the model open another with the Read tool."""
    nonce = run.nonce()
    words = [secrets.token_hex(4) for _ in range(3)]
    shown, alone, filed = map(pdf, words)
    look = (
        f"Which word is printed on this page? Reply with the code {nonce} followed by that word. "
        "To every page that I send without a question, reply in the same way."
    )
    read = (
        f"Use the Read tool to open the file {_FILE} in the working folder. "
        f"Then reply with the code {nonce} followed by the word printed on its page."
    )
    talk = run.converse(
        nonce,
        messages=((_document(shown), _text(look)), (_document(alone),), (_text(read),)),
        turns=_TURNS,
        tools=("Read",),
        allowed_tools=("Read",),
        files={_FILE: filed},
        extra_env=_SWITCHES,
    )

    first, second, _, last = (exchange.request for exchange in talk.exchanges)
    prove(look in str(first["messages"]), "the question beside the page did not reach the upstream whole")
    _prove_document(first, shown, "the page beside the prompt")
    talk.prove_answer(f"{nonce} {words[0]}", turn=0)
    _prove_document(second, alone, "the page that was sent alone")
    if said(talk.client[1].request["messages"][-1]):
        run.findings.append("Claude Code put words of its own beside the page that was sent alone")
    talk.prove_answer(f"{nonce} {words[1]}", turn=1)
    calls = tool_calls(talk.replies[2])
    names = [call["name"] for call in calls]
    expect_of_model(names == ["Read"], f"the model was led to read the file, but called {names}")
    own = talk.client[3].request
    prove_tool_gave(own, calls[0], documents(own)[-1:] == [_encoded(filed)])
    _prove_document(last, filed, "the page that the Read tool returned")
    talk.prove_answer(f"{nonce} {words[2]}")
    return run.passed()


def pdf(word: str) -> bytes:
    """One page that bears `word`, uncompressed (PDF 1.4; ISO 32000-1, 7.5: header, objects, cross-references)."""
    page = f"BT /F1 24 Tf 30 50 Td ({word}) Tj ET"
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    objects = (
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 100] /Contents 4 0 R"
        f" /Resources << /Font << /F1 {font} >> >> >>",
        f"<< /Length {len(page)} >>\nstream\n{page}\nendstream",
    )
    body, places = "%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(f"{len(body):010} 00000 n \n")
        body += f"{number} 0 obj\n{content}\nendobj\n"
    table = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{''.join(places)}"
    trailer = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
    return (body + table + trailer).encode()


def documents(request: dict[str, Any]) -> list[Any]:
    """The data of every document of a Messages request, those inside tool results too, in order."""
    found = []
    for message in request.get("messages", []):
        for block in blocks(message):
            inner = blocks(block) if block.get("type") == "tool_result" else [block]
            found += [part["source"].get("data") for part in inner if part.get("type") == "document"]
    return found


def _prove_document(request: dict[str, Any], due: bytes, what: str) -> None:
    seen = documents(request)[-1:]
    prove(seen == [_encoded(due)], f"{what} did not reach the upstream" + (": its bytes were changed" if seen else ""))


def _document(page: bytes) -> dict[str, Any]:
    source = {"type": "base64", "media_type": "application/pdf", "data": _encoded(page)}
    return {"type": "document", "source": source}


def _encoded(document: bytes) -> str:
    return base64.b64encode(document).decode()


def _text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}
