"""`compat evidence`: a bundle is found, and told so that a person sees where it went wrong."""

from __future__ import annotations

import io
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from compat_pipeline.command.evidence import render, show_evidence
from compat_pipeline.command.output import Output
from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.details import build_details, dump_details
from compat_pipeline.domain.observation import Fail, Inconclusive, Observation, Outcome
from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.domain.verdict import judge
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.wire.evidence import CallEvidence, Evidence, EvidenceStore
from compat_pipeline_tests.wire.bundles import NOON_S, client_exchange, events, evidence, upstream_exchange

CELL = Cell("tool_use", "bedrock_converse", "claude-sonnet-4-6")
WORDS = "Reply with nonce-0123456789ab"


def told(bundle: Evidence) -> str:
    """What a person reads, without the spaces that fill the lines."""
    console = Console(file=io.StringIO(), width=100, highlight=False)
    console.print(render(bundle))
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


def one_exchange(**fields: Any) -> Evidence:
    """A bundle with one exchange that differs from a sound one in `fields`."""
    return evidence(calls=(CallEvidence(exchanges=(client_exchange(WORDS, "yes", **fields),)),))


RED_CELL = """\
tool_use|bedrock_converse/claude-sonnet-4-6  ✗ fail (gateway)
the upstream got 8192 max_tokens, 32000 were sent
Claude Code 2.1.329 through LiteLLM 1.106.2, emulated providers, 2026-02-02 02:40:00 UTC
variant default, configuration 1e1e1e1e1e1e, suite 0f0f0f0f0f0f

the CLI, call 1 of 1: exit 0, 1.5 s (0.8 s of CPU)
    command     /cache/claude -p --model bedrock_converse/claude-sonnet-4-6 -- 'Reply with
                nonce-0123456789ab'
    told        ended well: nonce-0123456789ab
    stdout      not json
  exchange 1 of 1: POST /v1/messages?beta=true  200  0.50 s
    sent        to bedrock_converse/claude-sonnet-4-6, streamed, max_tokens 32000, thinking {"type":
                "enabled", "budget_tokens": 31999}, 3 tools (Bash, Read, Write), cache marks system
                1
    user        “Reply with nonce-0123456789ab”
    got         “nonce-0123456789ab”  [end_turn; tokens: input 1200, output 12, cache_creation_input
                900]
    upstream    bedrock_converse messages of us.anthropic.claude-sonnet-4-6, streamed: 200
    answered    “nonce-0123456789ab”  [end_turn; tokens: input 1200, output 12, cache_creation_input
                900]
    changed     ~ max_tokens: 32000 → 8192
                - context_management {"edits": []}
                + metadata {}
                - anthropic-beta context-1m-2025-08-07
                ~ user-agent: "claude-cli" → "litellm/1.106.2"
"""


def test_a_red_cell_is_told_down_to_its_exchange() -> None:
    bundle = evidence(status="fail", cause="gateway", explanation="the upstream got 8192 max_tokens, 32000 were sent")
    assert told(bundle) == RED_CELL


def test_what_is_wrong_with_a_stream_is_told() -> None:
    assert "    wrong       there is no message_stop" in told(one_exchange(events=events("yes")[:-1]))


def test_a_transfer_that_ended_early_is_told_without_what_is_missing_for_that_reason() -> None:
    text = told(one_exchange(events=events("yes")[:-1], broken="the connection was reset"))
    assert [line for line in text.splitlines() if "wrong" in line] == ["    wrong       the connection was reset"]


def test_a_refusal_is_told_on_both_sides() -> None:
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "Extra inputs are not permitted"}}
    call = CallEvidence(
        exchanges=(client_exchange(WORDS, "", status=400, events=(), body=error),),
        upstream=(upstream_exchange(WORDS, "", status=400, reply=None, error="Extra inputs", rule="X2"),),
    )
    text = told(evidence(calls=(call,)))
    assert "/v1/messages?beta=true  400  0.50 s\n" in text
    assert 'refused     {"type": "error"' in text
    assert "refused     Extra inputs (rule X2)\n" in text


def test_what_changed_on_the_way_back_is_told() -> None:
    call = CallEvidence(
        exchanges=(client_exchange(WORDS, "cut"),), upstream=(upstream_exchange(WORDS, "the whole answer"),)
    )
    assert '    came back   ~ content[].text: "the whole answer" → "cut"\n' in told(evidence(calls=(call,)))


def test_each_upstream_exchange_stands_under_the_request_that_caused_it() -> None:
    first = client_exchange("first words", "1", finished_at=NOON_S + 5)
    second = client_exchange("second words", "2", started_at=NOON_S + 1, finished_at=NOON_S + 5)
    upstream = (
        upstream_exchange("second words", "to the second", started_at=NOON_S + 2),
        upstream_exchange("first words", "to the first", started_at=NOON_S + 2),
        upstream_exchange("first words", "to nobody", started_at=NOON_S + 9),
    )
    text = told(evidence(calls=(CallEvidence(exchanges=(first, second), upstream=upstream),)))
    order = ["“first words”", "“to the first”", "“second words”", "“to the second”", "“to nobody”"]
    assert sorted(order, key=text.index) == order


def test_a_request_without_the_cli_and_a_broken_wire_are_told() -> None:
    text = told(evidence(fault="picture_dropped", calls=(CallEvidence(exchanges=(client_exchange(WORDS, "yes"),)),)))
    assert "the wire was broken on purpose: picture_dropped\n" in text
    assert "straight to the proxy, call 1 of 1\n" in text


def test_a_call_that_ended_early_is_told_with_what_it_wrote() -> None:
    call = CallEvidence(argv=("claude",), events=("half a li",), stderr="Segmentation fault\n", exit_code=-11)
    text = told(evidence(calls=(call,)))
    assert "exit -11" in text
    assert "told        no result: the CLI ended early\n" in text
    assert "stdout      half a li\n" in text
    assert "stderr      Segmentation fault\n" in text


def test_nothing_in_a_bundle_steers_the_terminal_or_fills_it() -> None:
    call = CallEvidence(argv=("claude", "[bold]x[/]"), stderr="\x1b[2J\x07" + "long " * 900)
    text = told(evidence(calls=(call,), explanation="[/nonsense]\x1b[2J"))
    assert "\x1b" not in text
    assert "[bold]x[/]" in text
    assert "[/nonsense]" in text
    assert len(text) < 2_000


def test_pictures_tools_and_thinking_are_told_in_short() -> None:
    content = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 5000}},
        {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True, "content": "no such file"},
        {"type": "text", "text": "<system-reminder>\nlong\n</system-reminder>what is this?"},
    ]
    answer = {
        "type": "message",
        "content": [
            {"type": "thinking", "thinking": "hmm", "signature": "c2ln"},
            {"type": "tool_use", "id": "toolu_2", "name": "Read", "input": {"path": "x.png"}},
        ],
        "stop_reason": "tool_use",
    }
    asked = {"model": "m", "messages": [{"role": "user", "content": content}]}
    text = " ".join(told(one_exchange(request=asked, events=(), body=answer)).split())
    assert "to m, not streamed" in text
    assert "image image/png (5000 chars); error of toolu_1: “no such file”; “what is this?”" in text
    assert 'thinking (3 chars, signed); Read({"path": "x.png"}) [tool_use; tokens: none]' in text


@pytest.fixture
def home(tmp_path: Path) -> CompatHome:
    return CompatHome(root=tmp_path, cache=tmp_path / "cache")


def keep(home: CompatHome, **fields: Any) -> str:
    return EvidenceStore(home.evidence).keep(evidence(**fields), Redactor([]))


def write_details(home: CompatHome, *seen: tuple[Outcome, str | None]) -> None:
    """A details document in which CELL was observed so, one after the other, with that evidence."""
    verdict = judge(
        [
            Observation(
                **CELL._asdict(),
                outcome=outcome,
                observed_at=datetime.fromtimestamp(NOON_S + place, timezone.utc),
                evidence=digest,
            )
            for place, (outcome, digest) in enumerate(seen)
        ]
    )
    details = build_details(
        load_manifest(),
        {CELL: verdict},
        upstream="emulated",
        litellm_version="1.106.2",
        claude_code_version="2.1.329",
        suite_revision="r",
        generated_at=datetime.fromtimestamp(NOON_S, timezone.utc),
        acknowledged=(),
        last_proven={},
        withheld={},
    )
    home.details.write_text(dump_details(details))


def shown(home: CompatHome, asked: str) -> str:
    console = Console(file=io.StringIO(), width=110)
    show_evidence(home, asked, Output(console=console))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_cell_leads_to_the_evidence_of_its_latest_observation(home: CompatHome) -> None:
    red, latest = keep(home, explanation="it is red"), keep(home, explanation="the provider was down")
    write_details(home, (Fail(error="it is red"), red))
    assert "it is red" in shown(home, CELL.key)
    write_details(
        home, (Fail(error="it is red"), red), (Inconclusive(cause="provider", error="the provider was down"), latest)
    )
    assert "the provider was down" in shown(home, "tool_use|*converse/*sonnet*")


def test_a_bundle_is_found_by_the_start_of_its_digest(home: CompatHome) -> None:
    digest = keep(home, explanation="it is red")
    assert "it is red" in shown(home, digest[:12])
    assert f"compat evidence --json {digest[:12]}" in shown(home, digest)
    assert f"again        {evidence().reproduce}\n" in shown(home, digest), "on one line, to be copied"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("tool_use|*", "'tool_use|*' matches 15 cells:\n  tool_use|anthropic/claude-haiku-4-5\n"),
        ("nothing", "no cell matches 'nothing'"),
        ("0123456789abcdef", "no bundle begins with 0123456789abcdef"),
        (CELL.key, f"no evidence is kept of {CELL.key}\n  next: run it: compat run --cells '{CELL.key}'"),
    ],
)
def test_what_leads_to_no_single_bundle_is_told(home: CompatHome, asked: str, told: str) -> None:
    write_details(home, (Fail(error="red"), None))
    with pytest.raises(CompatError) as error:
        show_evidence(home, asked, Output())
    assert str(error.value).startswith(told)


def test_a_home_without_a_matrix_is_told(home: CompatHome) -> None:
    with pytest.raises(CompatError, match="there is no matrix yet"):
        show_evidence(home, CELL.key, Output())


def test_the_whole_bundle_comes_as_json(home: CompatHome, capsys: pytest.CaptureFixture[str]) -> None:
    show_evidence(home, keep(home), Output(as_json=True))
    assert Evidence.model_validate(json.loads(capsys.readouterr().out)) == evidence()
