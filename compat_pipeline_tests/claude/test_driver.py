"""Driving the real CLI against a Messages API on loopback; scripts stand in for it where only the process counts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compat_pipeline.claude.binary import ClaudeCli
from compat_pipeline.claude.driver import ClaudeCall, ProxyAddress, Sandbox, run_claude
from compat_pipeline.claude.stream import ClaudeResult, CliError, ToolCall
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.wire.grammar import check_message_events
from compat_pipeline_tests.claude.loopback import ANSWER, SIGNATURE, TOKEN, TOOL_INPUT, LoopbackApi, closed_port
from compat_pipeline_tests.processes import gone

MODEL = "anthropic/claude-sonnet-4-6"
PROXY = ProxyAddress("http://127.0.0.1:9", TOKEN)
OK = '{"type":"result","subtype":"success","result":"ok"}'

Script = Callable[[str], Path]


@pytest.fixture
def ask(claude_cli: ClaudeCli, api: LoopbackApi, sandbox: Sandbox) -> Callable[..., ClaudeResult]:
    def run(prompt: str | None = None, model: str = MODEL, **options: Any) -> ClaudeResult:
        return run_claude(claude_cli.path, api.proxy, ClaudeCall(model, prompt, **options), sandbox)

    return run


Ask = Callable[..., ClaudeResult]


def read_when_written(path: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists() and (text := path.read_text()).endswith("\n"):
            return text
        time.sleep(0.02)
    raise AssertionError(f"{path} was never written")


class TestTheRealCli:
    def test_a_prompt_is_one_streaming_request_without_tools(self, ask: Ask, api: LoopbackApi) -> None:
        result = ask("say hello")
        assert (result.text, result.error, result.exit_code) == (ANSWER, None, 0)
        [request] = api.requests
        assert (request["model"], request["stream"], request.get("tools", [])) == (MODEL, True, [])
        assert "say hello" in json.dumps(request["messages"])

    def test_a_prompt_that_looks_like_an_option_is_a_prompt(self, ask: Ask, api: LoopbackApi) -> None:
        assert ask("--version", tools=("Bash",), allowed_tools=("Bash(echo:*)",)).text == ANSWER
        assert "--version" in json.dumps(api.requests[0]["messages"])

    def test_a_tool_call_runs_and_its_output_goes_back(self, ask: Ask, api: LoopbackApi) -> None:
        result = ask("[tool]", tools=("Bash",), allowed_tools=("Bash(echo:*)",), include_partial_messages=True)
        assert result.tool_calls == (ToolCall("toolu_01", "Bash", TOOL_INPUT),)
        assert [(one.content, one.is_error) for one in result.tool_results] == [("pong", False)]
        assert len(api.requests) == 2
        assert check_message_events(result.stream_events) == []

    def test_the_cli_keeps_its_own_tools_when_told_to(self, ask: Ask, api: LoopbackApi) -> None:
        ask("hello", tools=None)
        assert {"Bash", "Read"} <= {tool["name"] for tool in api.requests[0]["tools"]}

    def test_user_turns_go_one_by_one_and_signed_thinking_is_replayed(self, ask: Ask, api: LoopbackApi) -> None:
        turns = tuple([{"type": "text", "text": f"[think] {which}"}] for which in ("first", "second"))
        result = ask(messages=turns, effort="high")
        assert (result.error, result.text) == (None, ANSWER)
        assert len(api.requests) == 2
        assert "second" not in json.dumps(api.requests[0]["messages"])
        [answer] = [message for message in api.requests[1]["messages"] if message["role"] == "assistant"]
        assert answer["content"][0] == {"type": "thinking", "thinking": "Let me think.", "signature": SIGNATURE}

    def test_a_large_picture_goes_through_stdin_whole(self, ask: Ask, api: LoopbackApi) -> None:
        data = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
        picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
        text = {"type": "text", "text": "x" * 500_000}
        assert ask(messages=([picture, text],)).error is None
        assert text["text"] in json.dumps(api.requests[0]["messages"])
        assert data in json.dumps(api.requests[0]["messages"])

    def test_structured_output_comes_back_as_a_value(self, ask: Ask) -> None:
        schema = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
        assert ask("name a colour", json_schema=schema).structured_output == {"colour": "red"}

    def test_a_refused_stream_is_asked_for_again_without_streaming(self, ask: Ask, api: LoopbackApi) -> None:
        result = ask("[no-stream]")
        assert (result.text, result.error) == (ANSWER, None)
        assert [bool(request.get("stream")) for request in api.requests] == [True, False]

    def test_the_provider_in_the_model_s_name_changes_nothing_else(self, ask: Ask, api: LoopbackApi) -> None:
        for model in ("claude-haiku-4-5", "bedrock_converse/claude-haiku-4-5"):
            ask("hello", model=model)
        plain, prefixed = api.requests
        for name in ("max_tokens", "thinking", "output_config", "context_management"):
            assert plain.get(name) == prefixed.get(name)

    def test_a_session_is_taken_up_again(self, ask: Ask, api: LoopbackApi) -> None:
        session = str(uuid.uuid4())
        ask("first words", session_id=session)
        ask("second words", session_id=session, resume=True)
        assert "first words" in json.dumps(api.requests[-1]["messages"])

    def test_two_calls_in_one_sandbox_send_the_very_same_prompt(self, ask: Ask, api: LoopbackApi) -> None:
        for _ in range(2):
            ask("hello", tools=None)
        first, second = api.requests
        for name in ("system", "tools", "messages"):
            assert first[name] == second[name]

    def test_a_refused_request_is_a_fault_with_its_status(self, ask: Ask) -> None:
        result = ask("[status 401]")
        assert result.error is not None
        assert (result.error.kind, result.error.status) == ("api", 401)

    def test_a_proxy_that_is_not_there_is_a_connection_fault(self, claude_cli: ClaudeCli, sandbox: Sandbox) -> None:
        call = ClaudeCall(MODEL, "hello")
        result = run_claude(claude_cli.path, ProxyAddress(closed_port(), TOKEN), call, sandbox)
        assert result.error is not None
        assert result.error.kind == "connection"

    def test_an_answer_that_never_comes_is_a_time_out(self, ask: Ask) -> None:
        result = ask("[hang]", timeout_s=2)
        assert result.error is not None
        assert result.error.kind == "timeout"

    def test_an_unknown_option_is_told_in_the_cli_s_words(self, ask: Ask) -> None:
        error = ask("hello", allowed_tools=("Bash", "--no-such-option")).error
        assert error is not None
        assert error.kind == "crash"
        assert "unknown option '--no-such-option'" in error.message


class TestTheProcess:
    def run(self, cli: Path, sandbox: Sandbox, **options: Any) -> ClaudeResult:
        return run_claude(cli, PROXY, ClaudeCall(MODEL, **({"prompt": "hi"} | options)), sandbox)

    def test_its_environment_is_built_from_nothing(
        self, script: Script, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        seen = tmp_path / "seen"
        self.run(script(f"/usr/bin/env > {seen}; echo '{OK}'"), sandbox, extra_env={"EXTRA": "1"})
        environment = dict(line.split("=", 1) for line in seen.read_text().splitlines())
        assert environment.keys() - {"PWD", "SHLVL", "_"} == {
            "PATH",
            "HOME",
            "CLAUDE_CONFIG_DIR",
            "TMPDIR",
            "LANG",
            "TERM",
            "ANTHROPIC_BASE_URL",
            "ANTHROPIC_AUTH_TOKEN",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
            "DISABLE_AUTOUPDATER",
            "CLAUDE_CODE_MAX_RETRIES",
            "EXTRA",
        }
        assert environment["ANTHROPIC_AUTH_TOKEN"] == TOKEN

    def test_the_token_is_neither_in_its_arguments_nor_in_what_is_kept(self, script: Script, sandbox: Sandbox) -> None:
        result = self.run(script(f"echo '{OK}'"), sandbox)
        assert result.text == "ok"
        assert TOKEN not in repr(result)
        assert TOKEN not in repr(PROXY)

    def test_each_call_finds_its_folders_empty_and_the_last_leaves_none(self, script: Script, tmp_path: Path) -> None:
        counting = script(
            'n=$(ls -A . "$HOME" "$CLAUDE_CONFIG_DIR" "$TMPDIR" | grep -c left)\n'
            'touch left "$HOME/left" "$CLAUDE_CONFIG_DIR/left" "$TMPDIR/left"\n'
            'echo "{\\"type\\":\\"result\\",\\"subtype\\":\\"success\\",\\"result\\":\\"$n\\"}"'
        )
        with Sandbox(tmp_path / "scratch") as sandbox:
            assert [self.run(counting, sandbox).text for _ in range(2)] == ["0", "0"]
        assert list((tmp_path / "scratch").iterdir()) == []

    def test_a_time_out_ends_its_whole_group(self, script: Script, sandbox: Sandbox, tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        result = self.run(script(f"sleep 300 &\necho $! $$ > {pids}\nwait"), sandbox, timeout_s=1)
        assert result.error is not None
        assert result.error.kind == "timeout"
        assert all(gone(int(pid)) for pid in pids.read_text().split())

    def test_what_it_leaves_running_is_ended_and_holds_nothing_up(
        self, script: Script, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        pid = tmp_path / "pid"
        result = self.run(script(f"sleep 300 &\necho $! > {pid}\necho '{OK}'"), sandbox, timeout_s=60)
        assert (result.text, result.error) == ("ok", None)
        assert gone(int(pid.read_text()))

    def test_it_dies_with_a_parent_that_is_killed(self, script: Script, tmp_path: Path) -> None:
        pid = tmp_path / "pid"
        cli = script(f"echo $$ > {pid}\nexec sleep 300")
        program = (
            "import sys; from pathlib import Path\n"
            "from compat_pipeline.claude.driver import *\n"
            "with Sandbox(Path(sys.argv[2])) as sandbox:\n"
            "    proxy = ProxyAddress('http://127.0.0.1:9', 't')\n"
            "    run_claude(Path(sys.argv[1]), proxy, ClaudeCall('m', 'p'), sandbox)\n"
        )
        parent = subprocess.Popen([sys.executable, "-c", program, str(cli), str(tmp_path / "scratch")])
        child = int(read_when_written(pid))
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        assert gone(child)

    def test_floods_on_every_pipe_do_not_block_it(self, script: Script, sandbox: Sandbox) -> None:
        flood = "head -c 3000000 /dev/zero | tr '\\0' x"
        cli = script(f"{flood} >&2\n{flood}\necho\ncat > /dev/null\necho '{OK}'")
        result = self.run(cli, sandbox, prompt=None, messages=([{"type": "text", "text": "y" * 3_000_000}],))
        assert (result.text, result.error) == ("ok", None)
        assert 0 < len(result.stderr) <= 64 * 1024
        assert [len(line) for line in result.unreadable] == [500]

    def test_what_it_said_between_our_last_look_and_its_end_is_read(
        self, script: Script, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wait4 = os.wait4
        monkeypatch.setattr(os, "wait4", lambda pid, _: wait4(pid, 0))  # as if we had slept until it ended
        result = self.run(script(f"sleep 0.5; echo more >&2; echo '{OK}'"), sandbox)
        assert (result.text, result.error, result.stderr) == ("ok", None, "more\n")

    def test_one_that_does_not_listen_is_read_all_the_same(self, script: Script, sandbox: Sandbox) -> None:
        cli = script(f"exec <&-\necho '{OK}'")
        result = self.run(cli, sandbox, prompt=None, messages=([{"type": "text", "text": "y" * 3_000_000}],))
        assert (result.text, result.error) == ("ok", None)

    def test_a_turn_waits_for_the_result_of_the_one_before(self, script: Script, sandbox: Sandbox) -> None:
        cli = script(
            "exec bash -c '\n"
            'read -r one; echo "{\\"type\\":\\"system\\"}"\n'
            'read -r -t 1 early && exit 3; echo "$0"; read -r two && echo "$0"; read -r more || exit 0; exit 4\n'
            f"' '{OK}'"
        )
        turns = tuple([{"type": "text", "text": which}] for which in ("one", "two"))
        result = self.run(cli, sandbox, prompt=None, messages=turns)
        assert (result.error, result.text) == (None, "ok")

    def test_a_kill_from_outside_is_a_crash_that_names_the_signal(self, script: Script, sandbox: Sandbox) -> None:
        result = self.run(script("kill -9 $$"), sandbox)
        assert result.error == CliError("crash", None, "the CLI was killed by SIGKILL after 0 of 1 result(s)")

    def test_ctrl_c_reaches_it_at_the_chosen_line(self, script: Script, sandbox: Sandbox) -> None:
        cli = script("trap 'cat answer; exit' INT\necho ready\nwhile :; do sleep 0.1; done")
        result = self.run(cli, sandbox, files={"answer": OK.encode()}, interrupt_on=lambda line: line == b"ready")
        assert (result.text, result.error) == ("ok", None)

    def test_files_lie_in_the_working_folder(self, script: Script, sandbox: Sandbox) -> None:
        result = self.run(script(f"[ \"$(cat note.txt)\" = red ] && echo '{OK}'"), sandbox, files={"note.txt": b"red"})
        assert result.text == "ok"

    def test_only_a_resumed_call_finds_what_the_last_one_kept(self, script: Script, sandbox: Sandbox) -> None:
        cli = script(f"[ -e $CLAUDE_CONFIG_DIR/kept ] && echo '{OK}'\ntouch $CLAUDE_CONFIG_DIR/kept")
        texts = [self.run(cli, sandbox, session_id="s", resume=resume).text for resume in (False, True, False)]
        assert texts == ["", "ok", ""]

    def test_its_cpu_time_is_counted(self, script: Script, sandbox: Sandbox) -> None:
        busy = self.run(script(f"i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo '{OK}'"), sandbox)
        assert 0.02 < busy.cpu_s < 60

    def test_a_cli_that_is_not_there_is_one_clear_error(self, sandbox: Sandbox, tmp_path: Path) -> None:
        with pytest.raises(CompatError, match=r"cannot start Claude Code at .*nowhere"):
            self.run(tmp_path / "nowhere", sandbox)


@pytest.mark.parametrize("options", [{}, {"prompt": "hi", "messages": ([{"type": "text", "text": "hi"}],)}])
def test_a_call_has_either_a_prompt_or_messages(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="either a prompt or messages"):
        ClaudeCall(MODEL, **options)
