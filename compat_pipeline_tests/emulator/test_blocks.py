"""Documents, searches, redacted thinking, parallel tool calls, schemas: on each wire, read by its owner's parser."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from anthropic.types.beta import BetaMessage, BetaRawMessageStreamEvent
from botocore.eventstream import EventStreamBuffer
from pydantic import TypeAdapter

from compat_pipeline.emulator import wire_anthropic, wire_bedrock_converse
from compat_pipeline.emulator.contract import Provider
from compat_pipeline.emulator.deltas import cut
from compat_pipeline.emulator.thinking import REDACTION_TRIGGER, sealed, thoughts, whole
from compat_pipeline_tests.emulator.emulated import (
    BASH,
    HAIKU,
    PROVIDERS,
    Emulated,
    Json,
    ask,
    assistant,
    call_of,
    exactly,
    new_nonce,
    run,
    tool_result,
    user,
)

EVENT: TypeAdapter[Any] = TypeAdapter(BetaRawMessageStreamEvent)
SONNET_ID = "us.anthropic.claude-sonnet-4-6"
HAIKU_ID = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
BUDGET = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
SEARCHING: tuple[tuple[Provider, tuple[str, ...]], ...] = (
    ("anthropic", ()),
    ("azure", ()),
    ("vertex_ai", ("web-search-2025-03-05",)),
)
TOOL_SEARCHING: tuple[tuple[Provider, tuple[str, ...]], ...] = (
    ("anthropic", ()),
    ("azure", ()),
    ("vertex_ai", ("tool-search-tool-2025-10-19",)),
    ("bedrock_invoke", ("tool-search-tool-2025-10-19",)),
)
WEB_SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
DEFERRED = {**BASH, "defer_loading": True}


def events_of(answer: Any) -> list[Json]:
    """The server-sent events of a streamed answer, each checked against Anthropic's types."""
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert all(EVENT.validate_python(event) for event in events if event["type"] != "ping")
    return events


def told(events: list[Json], kind: str) -> list[Json]:
    return [event["delta"] for event in events if event.get("delta", {}).get("type") == kind]


# --- web search --------------------------------------------------------------------------------------------------


def search_request(nonce: str) -> Json:
    return ask(f"Perform a web search for the query: {nonce} weather", tools=[WEB_SEARCH])


@pytest.mark.parametrize(("provider", "betas"), SEARCHING)
def test_a_web_search_is_made_and_cited(emulated: Emulated, provider: Provider, betas: tuple[str, ...]) -> None:
    nonce = new_nonce()
    answer = emulated.post(provider, search_request(nonce), betas=betas).raise_for_status().json()
    BetaMessage.model_validate(answer)
    asked, found, said = answer["content"]
    assert (asked["type"], asked["input"]) == ("server_tool_use", {"query": f"{nonce} weather"})
    assert found["tool_use_id"] == asked["id"]
    assert said["citations"][0]["url"] == found["content"][0]["url"]
    assert answer["usage"]["server_tool_use"]["web_search_requests"] == 1


@pytest.mark.parametrize(("provider", "betas"), SEARCHING)
def test_a_streamed_web_search_has_the_documented_events(
    emulated: Emulated, provider: Provider, betas: tuple[str, ...]
) -> None:
    nonce = new_nonce()
    events = events_of(emulated.post(provider, search_request(nonce), stream=True, betas=betas))
    asked, found, said = [event["content_block"] for event in events if event["type"] == "content_block_start"]
    assert (asked["type"], asked["input"]) == ("server_tool_use", {})
    assert found["content"][0]["type"] == "web_search_result"
    assert (said["text"], said["citations"]) == ("", [])
    query = json.loads("".join(delta["partial_json"] for delta in told(events, "input_json_delta")))
    assert query == {"query": f"{nonce} weather"}
    assert told(events, "citations_delta")[0]["citation"]["type"] == "web_search_result_location"
    usage = next(event["usage"] for event in events if event["type"] == "message_delta")
    assert usage["server_tool_use"]["web_search_requests"] == 1


def test_nobody_can_guess_what_a_search_finds(emulated: Emulated) -> None:
    texts = {emulated.post("anthropic", search_request(new_nonce())).json()["content"][-1]["text"] for _ in range(2)}
    assert len(texts) == 2


def test_without_the_search_tool_nothing_is_searched(emulated: Emulated) -> None:
    request = {**search_request(new_nonce()), "tools": [BASH]}
    (block,) = emulated.post("anthropic", request).json()["content"]
    assert block == {"type": "text", "text": "I cannot search the web."}


# --- tool search -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("provider", "betas"), TOOL_SEARCHING)
def test_a_deferred_tool_is_searched_for_by_the_provider(
    emulated: Emulated, provider: Provider, betas: tuple[str, ...]
) -> None:
    search = {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"}
    request = ask(run("echo hi", new_nonce()), tools=[search, DEFERRED])
    message = emulated.post(provider, request, betas=betas).raise_for_status().json()
    BetaMessage.model_validate(message)
    kinds = [block["type"] for block in message["content"]]
    assert kinds == ["server_tool_use", "tool_search_tool_result", "tool_use"]
    assert message["content"][1]["content"]["tool_references"] == [{"type": "tool_reference", "tool_name": "Bash"}]


@pytest.mark.parametrize(("provider", "betas"), TOOL_SEARCHING)
def test_a_deferred_tool_is_called_once_the_clients_search_has_found_it(
    emulated: Emulated, provider: Provider, betas: tuple[str, ...]
) -> None:
    tools = [{**BASH, "name": "ToolSearch"}, DEFERRED]
    prompt = user(run("echo hi", new_nonce()))
    first = emulated.post(provider, ask("", messages=[prompt], tools=tools), betas=betas).raise_for_status().json()
    (search,) = first["content"]
    assert (search["name"], search["input"]["query"]) == ("ToolSearch", "select:Bash")
    found = {**tool_result(search["id"], ""), "content": [{"type": "tool_reference", "tool_name": "Bash"}]}
    turns = [prompt, assistant(search), user(found)]
    second = emulated.post(provider, ask("", messages=turns, tools=tools), betas=betas).raise_for_status().json()
    assert [block["name"] for block in second["content"]] == ["Bash"]


# --- fine-grained tool streaming ---------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ["field", "beta", None])
def test_f1_tool_input_comes_in_small_pieces_when_asked_for(emulated: Emulated, asked: str | None) -> None:
    tool = {**BASH, "eager_input_streaming": True} if asked == "field" else BASH
    betas = ("fine-grained-tool-streaming-2025-05-14",) if asked == "beta" else ()
    answer = emulated.post("anthropic", ask(run("ls", new_nonce()), tools=[tool]), stream=True, betas=betas)
    pieces = [delta["partial_json"] for delta in told(events_of(answer), "input_json_delta") if delta["partial_json"]]
    assert json.loads("".join(pieces))["command"] == "ls"
    assert (max(map(len, pieces)) <= 5) is (asked is not None)


# --- redacted thinking -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["anthropic", "azure", "bedrock_invoke", "vertex_ai"])
def test_redacted_thinking_goes_back_as_it_came(emulated: Emulated, provider: Provider) -> None:
    model = "haiku-4-5-20251001-v1:0" if provider == "bedrock_invoke" else HAIKU
    prompt = user(f"{REDACTION_TRIGGER} {run('echo hi', new_nonce())}")
    request = ask("", tools=[BASH], **BUDGET) | {"max_tokens": 4096}
    content = emulated.post(provider, {**request, "messages": [prompt]}, model).raise_for_status().json()["content"]
    assert [block["type"] for block in content] == ["thinking", "redacted_thinking", "redacted_thinking", "tool_use"]
    result = user(tool_result(content[-1]["id"], "hi"))
    replays = {
        200: content,
        400: [content[0], *content[2:]],
    }
    for status, replayed in replays.items():
        turns = [prompt, assistant(*replayed), result]
        assert emulated.post(provider, {**request, "messages": turns}, model).status_code == status


def test_redacted_thinking_streams_whole_in_its_start_event(emulated: Emulated) -> None:
    request = ask(f"{REDACTION_TRIGGER} {exactly(new_nonce())}", max_tokens=4096, **BUDGET)
    events = events_of(emulated.post("anthropic", request, HAIKU, stream=True))
    starts = [event["content_block"] for event in events if event["type"] == "content_block_start"]
    assert [bool(start["data"]) for start in starts if start["type"] == "redacted_thinking"] == [True, True]


def test_c12_converse_sends_each_redacted_block_as_one_delta_and_takes_it_back(emulated: Emulated) -> None:
    client = emulated.bedrock()
    messages: list[Any] = [{"role": "user", "content": [{"text": f"{REDACTION_TRIGGER} {exactly(new_nonce())}"}]}]
    options = {"modelId": HAIKU_ID, "additionalModelRequestFields": BUDGET, "inferenceConfig": {"maxTokens": 4096}}
    whole_answer = client.converse(messages=messages, **options)["output"]["message"]
    streamed = list(client.converse_stream(messages=messages, **options)["stream"])
    deltas = [event["contentBlockDelta"]["delta"] for event in streamed if "contentBlockDelta" in event]
    redacted = [delta for delta in deltas if "redactedContent" in delta.get("reasoningContent", {})]
    assert [list(delta["reasoningContent"]) for delta in redacted] == [["redactedContent"]] * 2
    messages += [whole_answer, {"role": "user", "content": [{"text": exactly(new_nonce())}]}]
    assert client.converse(messages=messages, **options)["stopReason"] == "end_turn"


def test_thinking_of_two_messages_may_stand_in_one() -> None:
    call = call_of(ask("Hello"))
    first, second = (sealed(call, thoughts(call, REDACTION_TRIGGER)) for _ in range(2))
    assert whole(call, first + second)
    assert whole(call, [])
    for incomplete in (first[1:], first[:-1], first[::-1], [first[0], second[1], first[2]]):
        assert not whole(call, incomplete)


# --- documents ---------------------------------------------------------------------------------------------------


def test_converses_documents_become_anthropics(emulated: Emulated) -> None:
    nonce = new_nonce()
    pdf = {"document": {"name": "a", "format": "pdf", "source": {"bytes": b"%PDF-1.4"}}}
    text = {"document": {"name": "b", "format": "txt", "source": {"bytes": b"plain words"}}}
    called = {"toolUse": {"toolUseId": "tooluse_1", "name": "Read", "input": {}}}
    result = {"toolResult": {"toolUseId": "tooluse_1", "content": [{"text": "see"}, pdf]}}
    emulated.bedrock().converse(
        modelId=SONNET_ID,
        messages=[
            {"role": "user", "content": [pdf, text, {"text": exactly(nonce)}]},
            {"role": "assistant", "content": [called]},
            {"role": "user", "content": [result]},
        ],
        toolConfig={"tools": [{"toolSpec": {"name": "Read", "inputSchema": {"json": BASH["input_schema"]}}}]},
    )
    (exchange,) = emulated.control.exchanges(nonce)
    first, second = exchange.request["messages"][0]["content"][:2]
    as_pdf = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(b"%PDF-1.4").decode()}
    assert first == {"type": "document", "title": "a", "source": as_pdf}
    assert second["source"] == {"type": "text", "media_type": "text/plain", "data": "plain words"}
    assert exchange.request["messages"][2]["content"][0]["content"][1] == first


# --- parallel tool calls -----------------------------------------------------------------------------------------

CALLS: list[Json] = [
    {"type": "tool_use", "id": f"toolu_{name}", "name": "Bash", "input": {"command": name}} for name in "ab"
]
MESSAGE: Json = {
    "content": CALLS,
    "stop_reason": "tool_use",
    "usage": {
        "input_tokens": 1,
        "output_tokens": 1,
        "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
    },
}


def test_two_tool_calls_are_two_blocks_of_anthropics_stream() -> None:
    inputs: dict[int, str] = {}
    for event in wire_anthropic.stream_events(cut(MESSAGE)):
        if event["type"] == "content_block_delta":
            inputs[event["index"]] = inputs.get(event["index"], "") + event["delta"]["partial_json"]
    assert [json.loads(inputs[index]) for index in (0, 1)] == [{"command": "a"}, {"command": "b"}]


def converse_deltas(message: Json) -> list[Json]:
    """The deltas of a message that Converse streams."""
    reply = wire_bedrock_converse.WIRE.stream(call_of({}, "bedrock_converse"), cut(message))
    buffer = EventStreamBuffer()
    buffer.add_data(b"".join(reply.body))  # type: ignore[arg-type]
    events: list[Any] = list(buffer)
    return [json.loads(event.payload) for event in events if event.headers[":event-type"] == "contentBlockDelta"]


def test_two_tool_calls_are_two_blocks_of_a_converse_stream() -> None:
    inputs = {0: "", 1: ""}
    for delta in converse_deltas(MESSAGE):
        inputs[delta["contentBlockIndex"]] += delta["delta"]["toolUse"]["input"]
    assert [json.loads(inputs[index]) for index in (0, 1)] == [{"command": "a"}, {"command": "b"}]


def test_c5_a_tool_call_without_arguments_is_one_empty_delta() -> None:
    (delta,) = converse_deltas({**MESSAGE, "content": [{**CALLS[0], "input": {}}]})
    assert delta["delta"] == {"toolUse": {"input": ""}}


@pytest.mark.parametrize("provider", ["anthropic", "azure", "bedrock_invoke", "vertex_ai"])
def test_every_call_needs_its_result_in_the_next_message(emulated: Emulated, provider: Provider) -> None:
    for results, status in ((["a", "b"], 200), (["a"], 400)):
        turns = [user("Hello"), assistant(*CALLS), user(*(tool_result(f"toolu_{name}", name) for name in results))]
        assert emulated.post(provider, ask("", messages=turns, tools=[BASH])).status_code == status


# --- structured outputs ------------------------------------------------------------------------------------------

SCHEMA = {
    "type": "object",
    "properties": {
        "code": {"type": "string"},
        "kind": {"enum": ["one", "two"]},
        "parts": {"type": "array", "items": {"type": "integer"}},
    },
    "required": ["code", "kind", "parts"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("provider", ["anthropic", "azure", "bedrock_invoke", "vertex_ai"])
def test_j1_an_answer_under_a_schema_is_json_of_it(emulated: Emulated, provider: Provider) -> None:
    nonce = new_nonce()
    request = ask(exactly(nonce), output_config={"format": {"type": "json_schema", "schema": SCHEMA}})
    (block,) = emulated.post(provider, request).raise_for_status().json()["content"]
    assert json.loads(block["text"]) == {"code": nonce, "kind": "one", "parts": [1]}


def test_j1_converse_carries_the_schema_in_its_own_field(emulated: Emulated) -> None:
    nonce = new_nonce()
    answer = emulated.bedrock().converse(
        modelId=SONNET_ID,
        messages=[{"role": "user", "content": [{"text": exactly(nonce)}]}],
        outputConfig={
            "textFormat": {
                "type": "json_schema",
                "structure": {"jsonSchema": {"name": "answer", "schema": json.dumps(SCHEMA)}},
            }
        },
    )
    assert json.loads(answer["output"]["message"]["content"][0]["text"])["code"] == nonce
    (exchange,) = emulated.control.exchanges(nonce)
    assert exchange.request["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}


# --- counting ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["invokeModel", "converse"])
def test_bedrock_counts_as_it_would_charge(emulated: Emulated, form: str) -> None:
    nonce, client = new_nonce(), emulated.bedrock()
    body = json.dumps({"anthropic_version": "bedrock-2023-05-31", **ask(exactly(nonce), system="Be kind.")})
    messages = [{"role": "user", "content": [{"text": exactly(nonce)}]}]
    given: Any = {
        "invokeModel": {"body": body},
        "converse": {"messages": messages, "system": [{"text": "Be kind."}]},
    }[form]
    counted = client.count_tokens(modelId="anthropic.claude-sonnet-4-6", input={form: given})["inputTokens"]
    answer = client.invoke_model(modelId=SONNET_ID, body=body)
    assert counted == json.loads(answer["body"].read())["usage"]["input_tokens"]
    counting, _ = emulated.control.exchanges(nonce)
    assert (counting.operation, counting.auth) == ("count_tokens", "signed")


def test_a_count_of_nothing_is_refused(emulated: Emulated) -> None:
    url = f"{emulated.base_url}/model/anthropic.claude-sonnet-4-6/count-tokens"
    bodies: list[Json] = [{}, {"input": {}}, {"input": {"invokeModel": {"body": "%%%"}}}, {"input": {"converse": {}}}]
    for given in bodies:
        answer = emulated.http.post(url, json=given, headers=emulated.headers("bedrock_invoke"))
        assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (400, "ValidationException")


def test_mantle_counts_what_the_runtime_does_not(emulated: Emulated) -> None:
    body = {"model": "anthropic.claude-opus-4-7", "messages": [user("Hello")]}
    url = f"{emulated.base_url}/anthropic/v1/messages/count_tokens"
    answer = emulated.http.post(url, json=body, headers=emulated.headers("bedrock_invoke"))
    assert answer.json()["input_tokens"] > 0


# --- what the record says of betas and credentials ---------------------------------------------------------------

BETA = "context-1m-2025-08-07"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_betas_and_credential_kind_are_on_record_wherever_they_travel(emulated: Emulated, provider: Provider) -> None:
    nonce = new_nonce()
    request: Json = ask(exactly(nonce))
    if provider == "bedrock_converse":
        request = {
            "messages": [{"role": "user", "content": [{"text": exactly(nonce)}]}],
            "additionalModelRequestFields": {"anthropic_beta": [BETA]},
        }
    emulated.post(provider, request, betas=() if provider == "bedrock_converse" else (BETA,)).raise_for_status()
    (exchange,) = emulated.control.exchanges(nonce)
    assert exchange.betas == (BETA,)
    assert exchange.auth == ("key" if provider in ("anthropic", "azure") else "bearer")


def test_a_signed_request_is_on_record_as_signed_and_a_refused_one_as_nothing(emulated: Emulated) -> None:
    nonce, refused = new_nonce(), new_nonce()
    message = [{"role": "user", "content": [{"text": exactly(nonce)}]}]
    emulated.bedrock().converse(modelId=SONNET_ID, messages=message)
    body = ask(exactly(refused), model="claude-sonnet-4-6")
    emulated.http.post(emulated.url("anthropic"), json=body, headers={"x-api-key": "wrong"})
    assert emulated.control.exchanges(nonce)[0].auth == "signed"
    assert emulated.control.exchanges(refused)[0].auth is None
