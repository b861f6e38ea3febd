"""The owners' own parsers accept what each wire sends, whole and streamed."""

from __future__ import annotations

import base64
import json
from typing import Any

import anthropic
import pytest
from anthropic.types.beta import BetaMessage, BetaRawMessageStreamEvent
from botocore.eventstream import EventStreamBuffer
from pydantic import TypeAdapter

from compat_pipeline.emulator import eventstream
from compat_pipeline_tests.emulator.emulated import (
    BASH,
    OPUS,
    Emulated,
    ask,
    count_to,
    exactly,
    new_nonce,
    png,
    run,
    which_colour,
)

EVENT: TypeAdapter[Any] = TypeAdapter(BetaRawMessageStreamEvent)
BEDROCK_SONNET = "us.anthropic.claude-sonnet-4-6"
BEDROCK_HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
THINKING = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}


def anthropic_client(emulated: Emulated, provider: str) -> anthropic.Anthropic:
    key, path = {
        "anthropic": (emulated.credentials.anthropic_api_key, ""),
        "azure": (emulated.credentials.azure_api_key, "/azure/anthropic"),
    }[provider]
    direct = anthropic.DefaultHttpxClient(trust_env=False)
    return anthropic.Anthropic(api_key=key, base_url=emulated.base_url + path, max_retries=0, http_client=direct)


def converse_events(emulated: Emulated, text: str, model: str = BEDROCK_SONNET, **fields: Any) -> list[dict[str, Any]]:
    """What AWS's client makes of a ConverseStream."""
    answer = emulated.bedrock().converse_stream(
        modelId=model, messages=[{"role": "user", "content": [{"text": text}]}], **fields
    )
    return list(answer["stream"])


def deltas_of(events: list[dict[str, Any]]) -> list[Any]:
    return [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]


# --- Anthropic and Azure -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["anthropic", "azure"])
def test_anthropics_client_reads_a_whole_message(emulated: Emulated, provider: str) -> None:
    nonce = new_nonce()
    message = anthropic_client(emulated, provider).messages.create(
        model="claude-haiku-4-5", max_tokens=100, messages=[{"role": "user", "content": exactly(nonce)}]
    )
    assert [block.to_dict() for block in message.content] == [{"type": "text", "text": nonce}]
    assert message.stop_reason == "end_turn"
    assert message.usage.input_tokens > 0


@pytest.mark.parametrize("provider", ["anthropic", "azure"])
def test_anthropics_client_assembles_a_stream_into_the_recorded_message(emulated: Emulated, provider: str) -> None:
    nonce = new_nonce()
    request = ask(count_to(nonce, 30), model="claude-sonnet-4-6", **THINKING)
    with anthropic_client(emulated, provider).beta.messages.stream(**request) as stream:
        texts = list(stream.text_stream)
        final = stream.get_final_message()
    assert len(texts) > 3
    (exchange,) = emulated.control.exchanges(nonce)
    assert exchange.reply is not None
    sent = BetaMessage.model_validate(exchange.reply)
    assert [block.to_dict() for block in final.content] == [block.to_dict() for block in sent.content]
    assert final.usage.output_tokens == sent.usage.output_tokens
    assert final.usage.cache_creation == sent.usage.cache_creation


def test_a_streamed_tool_call_carries_its_whole_input(emulated: Emulated) -> None:
    request = ask(run("echo hi", new_nonce()), model="claude-sonnet-4-6", tools=[BASH])
    with anthropic_client(emulated, "anthropic").messages.stream(**request) as stream:
        final = stream.get_final_message()
    (block,) = final.content
    assert block.type == "tool_use"
    assert block.input["command"] == "echo hi"
    assert final.stop_reason == "tool_use"


@pytest.mark.parametrize("provider", ["anthropic", "azure"])
def test_count_tokens_agrees_with_the_usage_of_the_same_request(emulated: Emulated, provider: str) -> None:
    client = anthropic_client(emulated, provider)
    asked: Any = {"model": "claude-sonnet-4-6", "messages": [{"role": "user", "content": "How long is this?"}]}
    counted = client.messages.count_tokens(**asked)
    assert counted.input_tokens == client.messages.create(max_tokens=50, **asked).usage.input_tokens


# --- Vertex ------------------------------------------------------------------------------------------------------


def test_vertex_answers_raw_predict_with_a_message(emulated: Emulated) -> None:
    nonce = new_nonce()
    message = BetaMessage.model_validate(emulated.post("vertex_ai", ask(exactly(nonce))).raise_for_status().json())
    assert message.content[0].to_dict() == {"type": "text", "text": nonce}


def test_vertex_streams_server_sent_events_of_the_published_types(emulated: Emulated) -> None:
    answer = emulated.post("vertex_ai", ask(count_to(new_nonce(), 20), **THINKING), stream=True)
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert all(EVENT.validate_python(event) for event in events if event["type"] != "ping")
    kinds = [event["type"] for event in events]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]


def test_vertex_counts_tokens(emulated: Emulated) -> None:
    url = emulated.url("vertex_ai", "x").replace("claude-x", "count-tokens")
    body = {"model": "claude-sonnet-4-6", "messages": [{"role": "user", "content": "hello"}]}
    answer = emulated.http.post(url, json=body, headers=emulated.headers("vertex_ai"))
    assert answer.json()["input_tokens"] > 0


# --- Bedrock: every request below is signed and every answer parsed by AWS's own client ---------------------------


def test_invoke_model_returns_a_message(emulated: Emulated) -> None:
    nonce = new_nonce()
    body = {"anthropic_version": "bedrock-2023-05-31", **ask(exactly(nonce))}
    answer = emulated.bedrock().invoke_model(modelId=BEDROCK_HAIKU, body=json.dumps(body))
    message = BetaMessage.model_validate_json(answer["body"].read())
    assert message.content[0].to_dict() == {"type": "text", "text": nonce}
    (exchange,) = emulated.control.exchanges(nonce)
    assert exchange.model == BEDROCK_HAIKU


def test_invoke_model_with_response_stream_wraps_anthropics_events(emulated: Emulated) -> None:
    nonce = new_nonce()
    body = {"anthropic_version": "bedrock-2023-05-31", **ask(count_to(nonce, 20), **THINKING)}
    answer = emulated.bedrock().invoke_model_with_response_stream(modelId=BEDROCK_SONNET, body=json.dumps(body))
    chunks = [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]
    texts = [chunk["delta"].get("text", "") for chunk in chunks if chunk["type"] == "content_block_delta"]
    assert "".join(texts) == " ".join([nonce, *map(str, range(1, 21))])
    assert all(EVENT.validate_python(chunk) for chunk in chunks)
    assert chunks[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"] > 0


def test_converse_returns_thinking_text_and_usage(emulated: Emulated) -> None:
    nonce = new_nonce()
    answer = emulated.bedrock().converse(
        modelId=BEDROCK_SONNET,
        messages=[{"role": "user", "content": [{"text": exactly(nonce)}]}],
        additionalModelRequestFields=THINKING,
        additionalModelResponseFieldPaths=["/usage/output_tokens_details"],
    )
    thought, said = answer["output"]["message"]["content"]
    assert thought["reasoningContent"]["reasoningText"]["signature"]
    assert said == {"text": nonce}
    assert answer["usage"]["totalTokens"] == answer["usage"]["inputTokens"] + answer["usage"]["outputTokens"]
    assert answer["additionalModelResponseFields"]["usage"]["output_tokens_details"]["thinking_tokens"] > 0


def test_converse_takes_pictures_documents_and_tool_results(emulated: Emulated) -> None:
    nonce = new_nonce()
    content = [
        {"image": {"format": "png", "source": {"bytes": png((0, 0, 255))}}},
        {"document": {"name": "notes", "format": "pdf", "source": {"bytes": b"%PDF-1.4"}}},
        {"text": which_colour(nonce)},
    ]
    answer = emulated.bedrock().converse(
        modelId=BEDROCK_HAIKU, messages=[{"role": "user", "content": content}], inferenceConfig={"maxTokens": 100}
    )
    assert answer["output"]["message"]["content"] == [{"text": f"{nonce} blue"}]
    (exchange,) = emulated.control.exchanges(nonce)
    kinds = [block["type"] for block in exchange.request["messages"][0]["content"]]
    assert kinds == ["image", "document", "text"]


def test_a_model_id_may_come_percent_encoded(emulated: Emulated) -> None:
    url = emulated.url("bedrock_converse", "haiku-4-5-20251001-v1:0").replace(":0/", "%3A0/")
    body = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
    answer = emulated.http.post(url, json=body, headers=emulated.headers("bedrock_converse"))
    assert answer.status_code == 200, answer.text


def test_a_frame_survives_awss_event_stream_parser() -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(eventstream.event("metadata", b'{"a": 1}') + eventstream.exception("throttlingException", b"{}"))
    messages: list[Any] = list(buffer)
    first, second = messages
    assert (first.headers[":event-type"], first.payload) == ("metadata", b'{"a": 1}')
    assert second.headers[":message-type"] == "exception"


# --- shapes of Converse streams (each rule by its id) -------------------------------------------------------------


def test_c2_text_and_reasoning_have_no_start_event(emulated: Emulated) -> None:
    events = converse_events(emulated, exactly(new_nonce()), additionalModelRequestFields=THINKING)
    assert not [event for event in events if "contentBlockStart" in event]


def test_c3_a_short_answer_is_one_delta_and_a_long_one_many(emulated: Emulated) -> None:
    assert len(deltas_of(converse_events(emulated, exactly(new_nonce())))) == 1
    assert len(deltas_of(converse_events(emulated, count_to(new_nonce(), 40)))) > 4


def test_c5_a_tool_call_is_a_start_and_input_deltas(emulated: Emulated) -> None:
    tools = [{"toolSpec": {"name": "Bash", "inputSchema": {"json": BASH["input_schema"]}}}]
    events = converse_events(emulated, run("echo hi", new_nonce()), toolConfig={"tools": tools})
    (start,) = [event["contentBlockStart"]["start"]["toolUse"] for event in events if "contentBlockStart" in event]
    assert start["toolUseId"].startswith("tooluse_")  # C6
    pieces = [delta["toolUse"]["input"] for delta in deltas_of(events)]
    assert json.loads("".join(pieces))["command"] == "echo hi"
    assert len(pieces) > 1


def test_c6_every_event_carries_padding(emulated: Emulated) -> None:
    body = {"messages": [{"role": "user", "content": [{"text": count_to(new_nonce(), 20)}]}]}
    buffer = EventStreamBuffer()
    buffer.add_data(emulated.post("bedrock_converse", body, stream=True).content)
    paddings = [json.loads(message.payload)["p"] for message in buffer]
    assert all(paddings)
    assert len({len(padding) for padding in paddings}) > 2


def test_c7_usage_comes_last_and_only_there(emulated: Emulated) -> None:
    events = converse_events(emulated, exactly(new_nonce()))
    kinds = [next(iter(event)) for event in events]
    assert kinds[-2:] == ["messageStop", "metadata"]
    assert [kind for event, kind in zip(events, kinds, strict=True) if "usage" in event[kind]] == ["metadata"]


@pytest.mark.parametrize(("turn", "c1", "c4"), [(1, True, False), (2, False, True), (3, True, False)])
def test_c1_and_c4_alternate_with_the_assistant_turns(emulated: Emulated, turn: int, c1: bool, c4: bool) -> None:
    assert empty_deltas(emulated, turn, new_nonce()) == (c1, c4)


@pytest.mark.parametrize("turn", [1, 2, 3])
@pytest.mark.parametrize(("behaviour", "shown"), [("shapes_shown", True), ("shapes_hidden", False)])
def test_c1_and_c4_can_be_had_on_every_turn_or_on_none(
    emulated: Emulated, turn: int, behaviour: str, shown: bool
) -> None:
    emulated.control.arm(nonce := new_nonce(), behaviour)
    assert empty_deltas(emulated, turn, nonce) == (shown, shown)


def empty_deltas(emulated: Emulated, turn: int, nonce: str) -> tuple[bool, bool]:
    """Whether the answer of that turn holds an empty delta before its signature (C1) and before its text (C4)."""
    earlier: list[Any] = [
        {"role": role, "content": [{"text": "Hello"}]} for _ in range(turn - 1) for role in ("user", "assistant")
    ]
    answer = emulated.bedrock().converse_stream(
        modelId=BEDROCK_SONNET,
        messages=[*earlier, {"role": "user", "content": [{"text": exactly(nonce)}]}],
        additionalModelRequestFields=THINKING,
    )
    deltas = deltas_of(list(answer["stream"]))
    signed = next(index for index, delta in enumerate(deltas) if "signature" in delta.get("reasoningContent", {}))
    return deltas[signed - 1] == {"reasoningContent": {"text": ""}}, deltas[signed + 1] == {"text": ""}


def test_c8_opus_reasons_with_a_signature_alone(emulated: Emulated) -> None:
    events = converse_events(
        emulated,
        exactly(new_nonce()),
        "us.anthropic.claude-opus-4-7",
        additionalModelRequestFields={**THINKING, "thinking": {"type": "adaptive", "display": "summarized"}},
    )
    (reasoning,) = [delta["reasoningContent"] for delta in deltas_of(events) if "reasoningContent" in delta]
    assert list(reasoning) == ["signature"]


def test_c9_opus_without_effort_does_not_reason(emulated: Emulated) -> None:
    fields = {"thinking": {"type": "adaptive"}}
    events = converse_events(
        emulated, exactly(new_nonce()), "us.anthropic.claude-opus-4-7", additionalModelRequestFields=fields
    )
    assert not [delta for delta in deltas_of(events) if "reasoningContent" in delta]


def test_d1_opus_thinks_without_text_unless_asked_to_show_it(emulated: Emulated) -> None:
    def thought(display: dict[str, str]) -> str:
        request = ask("Hello", **{**THINKING, "thinking": {"type": "adaptive", **display}})
        return str(emulated.post("anthropic", request, OPUS).json()["content"][0]["thinking"])

    assert thought({}) == ""
    assert thought({"display": "summarized"}) != ""


def test_the_bytes_of_a_picture_reach_the_record_unchanged(emulated: Emulated) -> None:
    nonce, data = new_nonce(), png((9, 9, 9))
    content = [{"image": {"format": "png", "source": {"bytes": data}}}, {"text": which_colour(nonce)}]
    emulated.bedrock().converse(modelId=BEDROCK_SONNET, messages=[{"role": "user", "content": content}])
    (exchange,) = emulated.control.exchanges(nonce)
    assert base64.b64decode(exchange.request["messages"][0]["content"][0]["source"]["data"]) == data
