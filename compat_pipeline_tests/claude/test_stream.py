"""What the real CLI said, recorded from two versions, read as typed results; and lines no CLI should say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compat_pipeline.claude.stream import ClaudeResult, CliError, ToolCall, Usage, ends_turn, read_stream
from compat_pipeline.ground.child import ChildRun
from compat_pipeline.wire.grammar import check_message_events
from compat_pipeline_tests.claude.loopback import ANSWER, SIGNATURE, TOOL_INPUT

RECORDINGS = Path(__file__).parent / "recordings"
VERSIONS = sorted(path.name for path in RECORDINGS.iterdir())
ONE_TURN = Usage(11, 9, 7, 5, 3)
TWO_TURNS = Usage(22, 18, 14, 10, 6)

every_version = pytest.mark.parametrize("version", VERSIONS)


def run_of(*lines: bytes, exit_code: int = 0, timed_out: bool = False, stderr: str = "") -> ChildRun:
    return ChildRun(lines, stderr, exit_code, timed_out, started_at=1.0, duration_s=3.0, cpu_s=0.5)


def recorded(version: str, case: str, exit_code: int = 0, turns: int = 1, timed_out: bool = False) -> ClaudeResult:
    lines = (RECORDINGS / version / f"{case}.jsonl").read_bytes().split(b"\n")
    result = read_stream(run_of(*lines, exit_code=exit_code, timed_out=timed_out), turns)
    assert result.unreadable == ()
    return result


def result_line(**fields: Any) -> bytes:
    return json.dumps({"type": "result", "subtype": "success", "is_error": False, **fields}).encode()


def error_of(*lines: bytes, exit_code: int = 0, stderr: str = "") -> CliError | None:
    return read_stream(run_of(*lines, exit_code=exit_code, stderr=stderr)).error


def test_at_least_two_versions_are_recorded() -> None:
    assert len(VERSIONS) >= 2


@every_version
def test_a_plain_answer(version: str) -> None:
    result = recorded(version, "plain_text")
    assert (result.text, result.error) == (ANSWER, None)
    assert result.usage == ONE_TURN
    assert result.model_usage["anthropic/claude-sonnet-4-6"]["outputTokens"] == 9
    assert (result.tool_calls, result.thinking, result.stream_events) == ((), (), ())


@every_version
def test_partial_messages_are_the_api_s_own_events_in_order(version: str) -> None:
    result = recorded(version, "partial_messages")
    assert check_message_events(result.stream_events) == []
    assert {"content_block_delta", "message_delta", "message_stop"} <= {e["type"] for e in result.stream_events}
    assert [(block.text, block.signature) for block in result.thinking] == [("Let me think.", SIGNATURE)]


@every_version
def test_a_tool_call_its_result_and_the_tokens_of_both_model_turns(version: str) -> None:
    result = recorded(version, "tool_call")
    assert result.tool_calls == (ToolCall("toolu_01", "Bash", TOOL_INPUT),)
    [returned] = result.tool_results
    assert (returned.tool_use_id, returned.content, returned.is_error) == ("toolu_01", "pong", False)
    assert (result.text, result.usage) == (ANSWER, TWO_TURNS)
    assert [event["type"] for event in result.stream_events].count("message_start") == 2
    assert check_message_events(result.stream_events) == []


@every_version
def test_two_user_turns_add_up(version: str) -> None:
    result = recorded(version, "thinking_two_turns", turns=2)
    assert (result.text, result.error, result.usage) == (ANSWER, None, TWO_TURNS)
    assert [block.signature for block in result.thinking] == [SIGNATURE, SIGNATURE]
    assert result.answers == [ANSWER, ANSWER]


@every_version
def test_a_turn_that_is_missing_is_a_crash_although_the_exit_code_is_0(version: str) -> None:
    error = recorded(version, "plain_text", turns=2).error
    assert error == CliError("crash", None, "the CLI ended with exit code 0 after 1 of 2 result(s)")


@every_version
def test_structured_output_is_the_value_itself(version: str) -> None:
    assert recorded(version, "structured_output").structured_output == {"colour": "red"}


@every_version
def test_the_fallback_after_a_refused_stream_leaves_no_trace_on_stdout(version: str) -> None:
    result = recorded(version, "fallback_after_404")
    assert (result.text, result.error) == (ANSWER, None)


def test_an_older_cli_counts_no_tokens_of_the_fallback() -> None:
    assert recorded("2.1.126", "fallback_after_404").usage == Usage()
    assert recorded("2.1.329", "fallback_after_404").usage == ONE_TURN


@every_version
@pytest.mark.parametrize(("case", "status"), [("refused_400", 400), ("overloaded_529", 529)])
def test_a_refusal_is_an_api_error_with_its_status(version: str, case: str, status: int) -> None:
    error = recorded(version, case, exit_code=1).error
    assert error is not None
    assert (error.kind, error.status) == ("api", status)
    assert f"refused with {status} as asked" in error.message


@every_version
def test_a_refused_connection_has_a_kind_of_its_own(version: str) -> None:
    error = recorded(version, "connection_refused", exit_code=1).error
    assert error is not None
    assert (error.kind, error.status) == ("connection", None)


@every_version
def test_a_time_out_wins_over_the_way_the_process_ended(version: str) -> None:
    error = recorded(version, "timeout", exit_code=-15, timed_out=True).error
    assert error == CliError("timeout", None, "no end after 3 s, ended by us")


@every_version
@pytest.mark.parametrize("case", ["plain_text", "tool_call", "thinking_two_turns", "refused_400"])
def test_a_stream_cut_anywhere_is_read_as_a_crash(version: str, case: str) -> None:
    content = (RECORDINGS / version / f"{case}.jsonl").read_bytes()
    last = content.rindex(b"\n", 0, len(content) - 1)
    for end in (0, 1, len(content) // 3, last, len(content) - 2):
        result = read_stream(run_of(*content[:end].split(b"\n"), exit_code=1), turns=1 + case.count("two"))
        assert result.error is not None
        assert result.error.kind == "crash"


def test_an_api_error_that_is_called_a_success_is_an_error() -> None:
    told = 'API Error: 503 {"type":"error"}'
    assert error_of(result_line(result=told)) == CliError("api", 503, told)
    assert error_of(result_line(result="API Error: Request rejected (429) · wait")) == CliError(
        "api", 429, "API Error: Request rejected (429) · wait"
    )
    vague = "API Error: Content block is not a text block"
    assert error_of(result_line(result=vague)) == CliError("api", None, vague)


def test_the_status_the_cli_states_wins_over_its_text() -> None:
    error = error_of(result_line(is_error=True, api_error_status=401, result="Not logged in"))
    assert error == CliError("api", 401, "Not logged in")


def test_an_answer_that_only_speaks_of_an_error_is_none() -> None:
    assert error_of(result_line(result="The text 'API Error: 500' means the server broke.")) is None


def test_an_unsuccessful_end_without_text_is_named_by_what_there_is() -> None:
    assert error_of(result_line(subtype="error_max_turns")) == CliError("other", None, "error_max_turns")
    assert error_of(result_line(subtype="error_during_execution", errors=["a", "b"])) == CliError("other", None, "a; b")


def test_the_first_turn_that_failed_counts_even_if_the_last_went_well() -> None:
    failed = result_line(is_error=True, result="API Error: 500 oops")
    error = read_stream(run_of(failed, result_line(result="fine")), turns=2).error
    assert error == CliError("api", 500, "API Error: 500 oops")


def test_a_crash_tells_the_signal_or_exit_code_and_the_last_words() -> None:
    assert error_of(exit_code=-9) == CliError("crash", None, "the CLI was killed by SIGKILL after 0 of 1 result(s)")
    error = error_of(exit_code=1, stderr="error: unknown option '--nope'\n")
    assert error is not None
    assert error.message.endswith("exit code 1 after 0 of 1 result(s): error: unknown option '--nope'")
    assert error_of(result_line(result="ok"), exit_code=3) == CliError("crash", None, "the CLI ended with exit code 3")


def test_a_signal_outweighs_what_was_told_before_it() -> None:
    failed = result_line(is_error=True, result="API Error: 500 oops")
    error = read_stream(run_of(failed, exit_code=-9), turns=4).error
    assert error == CliError("crash", None, "the CLI was killed by SIGKILL after 1 of 4 result(s)")


def test_lines_that_are_no_events_are_kept_aside() -> None:
    lines = (b"Warning: something", b'"a string"', b"", b"\xff\xfe", b'{"type":"resu', b'{"type":"brand_new"}')
    result = read_stream(run_of(*lines, result_line(result="ok")))
    assert (result.text, result.error) == ("ok", None)
    assert result.unreadable == ("Warning: something", '"a string"', "\ufffd\ufffd", '{"type":"resu')


def test_only_a_result_event_ends_a_turn() -> None:
    assert ends_turn(result_line(result="ok"))
    assert not ends_turn(b'{"type":"assistant","message":{"content":"result"},"x":"result"}')
    assert not ends_turn(b'{"type":"result"')


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)
events = st.fixed_dictionaries(
    {"type": st.sampled_from(["system", "assistant", "user", "result", "stream_event"])},
    optional={
        name: json_values | st.just({"content": [{"type": "tool_use"}, {"type": "thinking"}, 3]})
        for name in ("subtype", "message", "event", "result", "usage", "modelUsage", "tools", "errors")
    },
)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.binary(max_size=40) | events.map(lambda event: json.dumps(event).encode()), max_size=6))
def test_whatever_the_lines_hold_reading_them_never_raises(lines: list[bytes]) -> None:
    assert read_stream(run_of(*lines)).exit_code == 0


def test_how_each_mcp_server_was_when_the_cli_began() -> None:
    servers = [{"name": "lottery", "status": "pending", "source": "dynamic"}, {"name": "dice", "status": "connected"}]
    init = json.dumps({"type": "system", "subtype": "init", "mcp_servers": servers}).encode()
    told = {"lottery": "pending", "dice": "connected"}
    assert read_stream(run_of(init, result_line())).mcp_servers == told
    assert read_stream(run_of(result_line())).mcp_servers == {}


@every_version
def test_a_call_without_mcp_servers_tells_of_none(version: str) -> None:
    assert recorded(version, "plain_text").mcp_servers == {}
