"""The persona reads a page: the word comes out of the document's bytes, and from nowhere else."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import pytest

from compat_pipeline.emulator.persona import reply_to
from compat_pipeline.suite.pdf_input.probe import pdf
from compat_pipeline_tests.emulator.emulated import ask, assistant, call_of, user

CODE = "nonce-0123456789ab"
LOOK = f"Which word is printed on this page? Reply with the code {CODE} followed by that word."
OPEN = (
    "Use the Read tool to open the file page.pdf in the working folder. "
    f"Then reply with the code {CODE} followed by the word printed on its page."
)
READ = {"name": "Read", "description": "Reads a file.", "input_schema": {"type": "object", "properties": {}}}


def document(data: bytes) -> dict[str, Any]:
    encoded = base64.b64encode(data).decode()
    return {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": encoded}}


def said(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    return reply_to(call_of(ask("", messages=list(messages), tools=[READ])))[0]


def packed(page: bytes) -> bytes:
    return b"%PDF-1.5\n1 0 obj\nstream\n" + zlib.compress(page) + b"\nendstream\nendobj\n"


@pytest.mark.parametrize("page", [pdf("heron"), packed(b"BT (heron) Tj ET")])
def test_it_reads_the_word_beside_the_prompt(page: bytes) -> None:
    assert said(user(document(page), LOOK))[0]["text"] == f"{CODE} heron"


@pytest.mark.parametrize("beside", [[], ["."]])
def test_it_answers_a_page_without_a_word_as_it_was_told_before(beside: list[str]) -> None:
    told = said(user(document(pdf("heron")), LOOK), assistant(f"{CODE} heron"), user(document(pdf("crane")), *beside))
    assert told[0]["text"] == f"{CODE} crane"


@pytest.mark.parametrize("shown", [[], [document(b"heron")], [document(pdf("heron")[:-200])]])
def test_without_a_page_it_says_no_word(shown: list[dict[str, Any]]) -> None:
    assert "heron" not in said(user(*shown, LOOK))[0]["text"]


def test_it_opens_a_file_and_reads_the_page_that_comes_back() -> None:
    asked = said(user(OPEN))
    assert (asked[0]["name"], asked[0]["input"]) == ("Read", {"file_path": "page.pdf"})
    result = {"type": "tool_result", "tool_use_id": asked[0]["id"], "content": [document(pdf("heron"))]}
    assert said(user(OPEN), assistant(*asked), user(result))[0]["text"] == f"{CODE} heron"


def test_a_result_without_its_page_says_no_word() -> None:
    asked = said(user(document(pdf("crane")), OPEN))
    result = {"type": "tool_result", "tool_use_id": asked[0]["id"], "content": "PDF file read"}
    assert said(user(OPEN), assistant(*asked), user(result))[0]["text"] == f"{CODE} no page"
