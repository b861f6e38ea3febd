"""Only what LiteLLM or Claude Code did becomes a fail; every known trouble of others is told by a real error text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat_pipeline.domain.causes import (
    ACCOUNT_RULES,
    CRASH_RULES,
    MACHINE_RULES,
    PROVIDER_RULES,
    PROXY_SETUP_RULES,
    START_RULES,
    STATUS_RULES,
    CliFault,
    UpstreamAnswer,
    classify,
)
from compat_pipeline.domain.observation import Fail, Inconclusive

ALL_RULES = {
    rule.id: rule
    for rules in (
        MACHINE_RULES, CRASH_RULES, START_RULES, ACCOUNT_RULES, PROVIDER_RULES, PROXY_SETUP_RULES, STATUS_RULES,
    )
    for rule in rules
}  # fmt: skip

OK = UpstreamAnswer(200, None, None)
ABORTED = CliFault(
    "crash",
    None,
    "the CLI was killed by SIGABRT after 0 of 1 result(s): panic(main thread): abort() called",
    begun=False,
)
CREDIT = (
    '{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the '
    'Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."}}'
)
OVERLOADED = '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":null}'
EXTRA_INPUTS = "context_management: Extra inputs are not permitted"

FROM_THE_UPSTREAM: list[tuple[str, int, str]] = [
    ("upstreams", 500, "the emulator broke: KeyError: 'text'"),
    ("upstreams", 500, "the relay broke: KeyError: 'bytes'"),
    ("relay_connection", 500, "the relay cannot reach anthropic: ConnectError: All connection attempts failed"),
    ("relay_connection", 200, "the relay lost the connection to azure: ReadError: "),
    ("no_credentials", 401, "the relay has no usable credentials for anthropic: ANTHROPIC_API_KEY is not set"),
    ("upstreams", 500, "the emulator broke: ValueError: Overloaded: too many requests"),
    ("credit", 400, CREDIT),
    ("usage_limit", 400, "You have reached your specified API usage limits. You will regain access on 2026-04-01"),
    ("usage_limit", 429, '{"type":"rate_limit_error","message":"Extra usage is required for long context requests."}'),
    ("bad_key", 401, '{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}'),
    ("bad_key", 403, "The security token included in the request is expired"),
    ("bad_key", 401, "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a"),
    ("google_grant", 400, '{"error":"invalid_grant","error_description":"reauth related error (invalid_rapt)"}'),
    ("organization_disabled", 400, "This organization has been disabled."),
    ("model_access", 403, "You don't have access to the model with the specified model ID."),
    ("model_access", 404, "Model use case details have not been submitted for this account. Fill out the Anthropic"),
    (
        "model_access",
        400,
        "The model returned the following errors: You have not filled out the required use-case form",
    ),
    ("model_access", 400, "Project `p` is not allowed to use Publisher Model `projects/p/locations/l/publishers/a`"),
    ("model_access", 400, "The provided model identifier is invalid."),
    ("model_access", 400, "Invocation of model ID a with on-demand throughput isn’t supported."),
    ("model_access", 404, "Access denied. This Model is marked by provider as Legacy and you have not been actively"),
    ("model_access", 403, "Model access is denied due to IAM user or service role is not authorized to perform the"),
    ("overloaded", 529, OVERLOADED),
    ("overloaded", 200, OVERLOADED),
    ("throttled_text", 200, "throttlingException: Too many requests, please wait before trying again."),
    ("throttled_text", 429, "Too many tokens per day, please wait before trying again."),
    ("throttled_text", 400, "Quota exceeded for aiplatform.googleapis.com/online_prediction_requests_per_base_model"),
    ("unavailable_text", 400, '{"message":"Bedrock is unable to process your request."}'),
    ("unavailable_text", 200, "modelStreamErrorException: the model stopped"),
    ("model_missing", 404, '{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource"}}'),
    ("model_missing", 404, "Publisher Model `projects/p/models/m` was not found or your project does not have access"),
    ("model_missing", 404, '{"type":"error","error":{"type":"not_found_error","message":"model: claude-opus-4-7"}}'),
    ("payment", 402, "Payment Required"),
    ("broken_off", 200, "The system encountered an unexpected error during processing. Try your request again."),
    ("broken_off", 200, "Internal server error"),
    ("denied", 403, "Permission 'aiplatform.endpoints.predict' denied on resource"),
    ("throttled", 429, "Please slow down."),
    ("upstream_down", 503, "Service Unavailable"),
    ("upstream_down", 500, '{"type":"error","error":{"type":"api_error","message":"Internal server error"}}'),
    ("upstream_down", 424, "ModelErrorException"),
]

FROM_THE_CLI: list[tuple[str, CliFault]] = [
    ("disk_full", CliFault("crash", None, "Error: ENOSPC: no space left on device, write")),
    ("disk_full", CliFault("crash", None, "Error: EFBIG: file too large, write")),
    ("disk_full", CliFault("crash", None, "Error: EDQUOT: quota exceeded, write")),
    ("out_of_memory", CliFault("crash", None, "spawn ENOMEM")),
    ("out_of_memory", CliFault("api", 500, "API Error: 500 litellm.InternalServerError: MemoryError")),
    ("out_of_memory", CliFault("crash", None, "the CLI ended with exit code 132: panic(main thread): Out of memory")),
    ("threads", CliFault("api", 500, "API Error: 500 litellm.APIConnectionError: can't start new thread")),
    ("threads", CliFault("api", 500, "API Error: 500 [Errno 11] Resource temporarily unavailable")),
    (
        "threads",
        CliFault("crash", None, "the CLI ended with exit code 1: error: Failed to start HTTP Client thread: EAGAIN"),
    ),
    ("aborted_at_start", ABORTED),
    ("open_files", CliFault("api", 500, "API Error: 500 [Errno 24] Too many open files")),
    ("no_shell", CliFault("other", None, "No suitable shell found. Claude CLI requires a Posix shell environment.")),
    ("no_permission", CliFault("api", 500, "API Error: 500 [Errno 13] Permission denied: '/var/tmp/x'")),
    ("no_permission", CliFault("crash", None, "the CLI ended with exit code 1: EACCES: permission denied, mkdir")),
    ("cannot_start", CliFault("crash", None, "the CLI ended with exit code 126: claude: Permission denied")),
    (
        "cannot_start",
        CliFault(
            "crash",
            None,
            "the CLI ended with exit code 127: claude: error while loading shared libraries: libatomic.so.1: cannot "
            "open shared object file: No such file or directory",
        ),
    ),
    (
        "cannot_start",
        CliFault("crash", None, "the CLI ended with exit code 1: libc.so.6: version `GLIBC_2.38' not found"),
    ),
    ("signal", CliFault("crash", None, "the CLI was killed by SIGILL after 0 of 1 result(s)")),
    (
        "signal",
        CliFault(
            "crash", None, "the CLI was killed by SIGILL: \npanic(main thread): Illegal instruction at address 0x1"
        ),
    ),
    ("signal", CliFault("crash", None, "the CLI was killed by SIGHUP after 0 of 1 result(s)")),
    ("signal", CliFault("crash", None, "the CLI was killed by signal 34")),
    ("killed", CliFault("crash", None, "the CLI was killed by SIGKILL")),
    ("killed", CliFault("crash", None, "exit code 137")),
    ("killed", CliFault("crash", None, "the CLI ended with exit code 129 after 0 of 1 result(s)")),
    ("killed", CliFault("crash", None, "the CLI ended with exit code 143 after 0 of 1 result(s)")),
    ("killed", CliFault("crash", None, "Killed")),
    (
        "name_resolution",
        CliFault("api", 500, "litellm.APIConnectionError: BedrockException - [Errno -2] Name or service not known"),
    ),
    (
        "connection_refused",
        CliFault("connection", None, "API Error: Connection refused — a firewall or proxy may be blocking it"),
    ),
    ("connection_refused", CliFault("connection", None, "API Error: Unable to connect to API (ConnectionRefused)")),
    (
        "connection_refused",
        CliFault(
            "api", 500, "litellm.InternalServerError: AnthropicException - Cannot connect to host h:443 ssl:default"
        ),
    ),
    ("connection_lost", CliFault("api", None, "API Error: Connection error. code=ECONNRESET")),
    (
        "connection_lost",
        CliFault("api", 500, "API Error: 500 litellm.InternalServerError: Vertex_aiException - Server disconnected"),
    ),
    (
        "upstreams",
        CliFault("api", 500, "API Error: 500 litellm.InternalServerError: the emulator broke: KeyError: 'scope'"),
    ),
    ("cli_option", CliFault("crash", 1, "error: unknown option '--max-turns'")),
    ("credit", CliFault("api", 400, "Credit balance is too low")),
    ("overloaded", CliFault("api", 529, "API Error: 529 Overloaded. This is a server-side issue, usually temporary")),
    ("throttled_text", CliFault("api", None, "API Error: Rate limit reached")),
    (
        "proxy_key",
        CliFault(
            "api",
            401,
            "Please run /login · API Error: 401 {'error':{'message':'Authentication Error, Invalid proxy server token "
            "passed. Received API Key = sk-...kwAA'}}",
        ),
    ),
    ("proxy_route", CliFault("api", 400, "/v1/messages: Invalid model name passed in model=x. Call `/v1/models`")),
    ("proxy_route", CliFault("api", 429, "No deployments available for selected model, Try again in 5 seconds.")),
    ("proxy_route", CliFault("api", 404, "There's an issue with the selected model (x). It may not exist")),
    ("throttled", CliFault("api", 429, "API Error: Request rejected (429)")),
    ("payment", CliFault("api", 402, "API Error: 402")),
]


@pytest.mark.parametrize(("rule_id", "status", "words"), FROM_THE_UPSTREAM)
def test_trouble_told_by_the_upstream_is_inconclusive(rule_id: str, status: int, words: str) -> None:
    fault = CliFault("api", 500, "API Error: 500 litellm.InternalServerError")
    outcome = classify(fault, [OK, UpstreamAnswer(status, words, None)])
    assert ALL_RULES[rule_id].holds(status, words)
    assert isinstance(outcome, Inconclusive)
    assert outcome.cause == ALL_RULES[rule_id].cause
    assert words in outcome.error
    assert str(status) in outcome.error


@pytest.mark.parametrize(("rule_id", "fault"), FROM_THE_CLI)
def test_trouble_told_only_by_the_cli_is_inconclusive(rule_id: str, fault: CliFault) -> None:
    assert ALL_RULES[rule_id].holds(fault.status, fault.message)
    assert classify(fault, []) == Inconclusive(cause=ALL_RULES[rule_id].cause, error=fault.message)


def test_every_rule_is_proven_by_a_real_text() -> None:
    proven = {rule_id for rule_id, *_ in FROM_THE_UPSTREAM} | {rule_id for rule_id, _ in FROM_THE_CLI}
    assert proven == ALL_RULES.keys()


def test_every_rule_names_its_source() -> None:
    assert all(rule.source for rule in ALL_RULES.values())


@pytest.mark.parametrize(
    ("status", "words", "rule"),
    [
        (400, EXTRA_INPUTS, None),
        (400, "invalid beta flag", "X2"),
        (422, "tools.0.custom.eager_input_streaming: Extra inputs are not permitted", None),
        (413, "Request exceeds the maximum size", None),
        (403, "The request signature we calculated does not match the signature you provided", "A1"),
        (404, "no such operation", "path"),
    ],
)
def test_a_request_the_upstream_refused_as_invalid_is_a_fault_of_the_gateway(
    status: int, words: str, rule: str | None
) -> None:
    outcome = classify(CliFault("api", 400, "API Error: 400"), [UpstreamAnswer(status, words, rule)])
    assert isinstance(outcome, Fail)
    assert outcome.cause == "gateway"
    assert words in outcome.error
    assert rule is None or f"rule {rule}" in outcome.error


def test_account_trouble_counts_before_the_status_400_that_carries_it() -> None:
    outcome = classify(CliFault("api", 400, "API Error: 400"), [UpstreamAnswer(400, CREDIT, None)])
    assert isinstance(outcome, Inconclusive)
    assert outcome.cause == "account"


def test_a_proxy_that_gave_up_on_an_upstream_that_never_answered_is_no_fault_of_the_gateway() -> None:
    fault = CliFault("api", 408, "API Error: 408 litellm.Timeout: Connection timed out after 600.0 seconds")
    for upstream in ([UpstreamAnswer(0, None, None)], [OK, UpstreamAnswer(0, None, None), OK]):
        assert classify(fault, upstream) == Inconclusive(
            cause="provider", error="the upstream never answered: no reason given"
        )


def test_a_throttled_answer_stays_inconclusive_even_when_the_emulator_names_its_rule() -> None:
    for status in (429, 503, 529):
        assert classify(CliFault("api", status, "API Error"), [UpstreamAnswer(status, "wait", "H1")]).status == (
            "inconclusive"
        )


def test_the_latest_trouble_of_the_upstream_decides() -> None:
    refused, busy = UpstreamAnswer(400, EXTRA_INPUTS, None), UpstreamAnswer(529, OVERLOADED, None)
    fault = CliFault("api", 500, "API Error: 500")
    assert classify(fault, [busy, refused]).status == "fail"
    assert classify(fault, [refused, busy]).status == "inconclusive"
    assert classify(fault, [busy, OK]).status == "inconclusive"


def test_a_refused_request_counts_even_after_the_client_healed_it() -> None:
    outcome = classify(CliFault("timeout", None, "no result after 60 s"), [UpstreamAnswer(400, EXTRA_INPUTS, None), OK])
    assert isinstance(outcome, Fail)
    assert EXTRA_INPUTS in outcome.error


def test_an_api_error_although_the_upstream_answered_everything_is_a_fault_of_the_gateway() -> None:
    outcome = classify(CliFault("api", 500, "API Error: 500 KeyError: 'text'"), [OK, OK])
    assert isinstance(outcome, Fail)
    assert "although the upstream answered" in outcome.error


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (429, "API Error: Request rejected (429)"),
        (429, "API Error: 429 rate_limit_error"),
        (500, "API Error: 500 throttlingException: Too many requests, please wait"),
        (400, "Credit balance is too low"),
        (529, "API Error: 529 Overloaded."),
        (404, "API Error: 404 not_found_error"),
    ],
)
def test_trouble_in_the_proxy_s_words_after_nothing_but_successes_is_a_fault_of_the_gateway(
    status: int, words: str
) -> None:
    fault = CliFault("api", status, words)
    assert classify(fault, []).status == "inconclusive"
    outcome = classify(fault, [OK, OK])
    assert isinstance(outcome, Fail)
    assert outcome.cause == "gateway"
    assert words in outcome.error


def test_words_of_a_crash_say_nothing_about_the_machine_when_the_proxy_says_them() -> None:
    fault = CliFault("api", 500, "API Error: 500 permission denied: exit code 126")
    assert classify(fault, [OK]).status == "fail"


def test_an_api_error_before_the_upstream_was_asked_is_a_fault_of_the_gateway() -> None:
    message = "API Error: 500 litellm.APIConnectionError: 'NoneType' object has no attribute 'access_key'"
    outcome = classify(CliFault("api", 500, message), [])
    assert outcome == Fail(cause="gateway", error=f"the proxy answered 500 without asking the upstream: {message}")


def test_a_key_error_of_the_proxy_before_the_upstream_was_asked_is_our_own_fault() -> None:
    assert classify(CliFault("api", 401, "API Error: 401"), []) == Inconclusive(cause="harness", error="API Error: 401")


def test_a_key_error_of_the_proxy_although_the_upstream_answered_is_a_fault_of_the_gateway() -> None:
    assert classify(CliFault("api", 401, "API Error: 401"), [OK]).status == "fail"


def test_a_stream_that_the_cli_cannot_read_is_a_fault_of_the_gateway() -> None:
    for text in ("API Error: Content block is not a text block", "API Error: Content block not found"):
        outcome = classify(CliFault("api", None, text), [OK])
        assert isinstance(outcome, Fail)
        assert outcome.cause == "gateway"


def test_a_crash_with_nothing_wrong_on_the_wire_is_a_fault_of_the_client() -> None:
    for message in (
        *(
            f"the CLI was killed by {name} after 0 of 1 result(s)"
            for name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGTRAP")
        ),
        "the CLI was killed by SIGILL:\nElapsed: 9ms\npanic(main thread): Segmentation fault at address 0x0",
        "the CLI ended with exit code 1: panic(main thread): TypeError",
    ):
        for upstream in ([], [OK]):
            outcome = classify(CliFault("crash", None, message), upstream)
            assert isinstance(outcome, Fail)
            assert outcome.cause == "client"


def test_an_abort_is_the_machine_s_only_before_the_cli_had_begun_its_work() -> None:
    assert classify(ABORTED, []).status == "inconclusive"
    assert classify(replace(ABORTED, begun=True), []).status == "fail"
    assert classify(replace(ABORTED, message="the CLI was killed by SIGSEGV"), []).status == "fail"


def test_a_full_disk_counts_before_whatever_stands_on_the_wire() -> None:
    outcome = classify(CliFault("crash", None, "ENOSPC: no space left"), [UpstreamAnswer(400, EXTRA_INPUTS, None)])
    assert outcome.status == "inconclusive"


def test_a_time_out_is_never_a_fail_by_itself() -> None:
    assert classify(CliFault("timeout", None, "no result after 60 s"), [OK]) == Inconclusive(
        cause="environment", error="no result after 60 s"
    )


def test_a_lost_connection_is_never_a_fail_by_itself() -> None:
    assert classify(CliFault("connection", None, "fetch failed"), []).status == "inconclusive"


def test_what_cannot_be_classified_stays_visible_as_harness() -> None:
    for fault in (
        CliFault("other", None, "odd"),
        CliFault("api", None, "API Error: odd"),
        CliFault("other", None, " "),
    ):
        outcome = classify(fault, [OK])
        assert isinstance(outcome, Inconclusive)
        assert outcome.cause == "harness"
    unknown = classify(CliFault("api", 404, "API Error: 404"), [UpstreamAnswer(404, "<html>Not Found</html>", None)])
    assert unknown == Inconclusive(cause="harness", error="the upstream answered 404: <html>Not Found</html>")


answers = st.builds(
    UpstreamAnswer,
    st.sampled_from([0, 200, 400, 401, 404, 418, 429, 500, 529]),
    st.none() | st.sampled_from([CREDIT, OVERLOADED, EXTRA_INPUTS, ""]),
    st.none() | st.just("X2"),
)
faults = st.builds(
    CliFault,
    st.sampled_from(["api", "timeout", "crash", "connection", "other"]),
    st.none() | st.sampled_from([400, 401, 429, 500]),
    st.sampled_from(["", "API Error", "Credit balance is too low"]),
)


@given(faults, st.lists(answers, max_size=4))
def test_account_and_overload_trouble_in_the_last_answer_never_yields_a_fail(
    fault: CliFault, earlier: list[UpstreamAnswer]
) -> None:
    for words in (CREDIT, OVERLOADED):
        assert classify(fault, [*earlier, UpstreamAnswer(400, words, None)]).status == "inconclusive"


@given(faults, st.lists(answers, max_size=4))
def test_every_fault_has_an_outcome_and_none_is_a_pass(fault: CliFault, upstream: list[UpstreamAnswer]) -> None:
    assert classify(fault, upstream).status in {"fail", "inconclusive"}
