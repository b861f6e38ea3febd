"""Whom a failed CLI call points at: a table of known error texts and statuses, and the order in which they count."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from compat_pipeline.domain.observation import Fail, Inconclusive, Outcome

InconclusiveCause = Literal["provider", "account", "environment", "harness", "model_behaviour"]


@dataclass(frozen=True)
class CliFault:
    """How a CLI call failed. `status` is that of the proxy's answer where the CLI told one.

    `begun` is False for a CLI that had told nothing and asked for nothing when it failed.
    """

    kind: Literal["api", "timeout", "crash", "connection", "other"]
    status: int | None
    message: str
    begun: bool = True


@dataclass(frozen=True)
class UpstreamAnswer:
    """What the upstream answered to one request; `rule` is the emulator's id of the rule the request broke."""

    status: int
    error: str | None
    rule: str | None

    @property
    def ok(self) -> bool:
        """A success without an error inside its stream; status 0, no byte of an answer, is none."""
        return 0 < self.status < 400 and self.error is None


@dataclass(frozen=True)
class CauseRule:
    """One known trouble that says nothing about LiteLLM or Claude Code.

    It holds when `text` (a regular expression, any case) is found and the status is one of `statuses`; either may
    be empty. With `forwarded`, the proxy's answer alone is proof enough, without a recorded answer of the upstream.
    """

    id: str
    cause: InconclusiveCause
    source: str
    text: str = ""
    statuses: frozenset[int] = frozenset()
    forwarded: bool = True

    def holds(self, status: int | None, words: str) -> bool:
        return (not self.statuses or status in self.statuses) and bool(re.search(self.text, words, re.IGNORECASE))


SHORTAGE_RULES: tuple[CauseRule, ...] = (
    CauseRule(
        "disk_full", "environment", "anthropics/claude-code#9496", r"ENOSPC|EFBIG|EDQUOT|no space left on device"
    ),
    CauseRule(
        "out_of_memory",
        "environment",
        "Linux signal(7), the kernel's OOM killer; Python's MemoryError; Bun's and V8's panics",
        r"ENOMEM|cannot allocate memory|\bMemoryError\b|out of memory",
    ),
    CauseRule(
        "threads",
        "environment",
        "Linux errno(3), fork(2), pthread_create(3); Python's threading; measured on Claude Code 2.1.329 in few pids",
        r"\bEAGAIN\b|resource temporarily unavailable|can't start new thread",
    ),
    CauseRule("open_files", "environment", "Linux errno(3)", r"EMFILE|ENFILE|too many open files"),
    CauseRule("no_shell", "environment", "the CLI's own Bash tool", r"no suitable shell found"),
)
"""What this machine has none of, or no more: a call can have lost something to it even where the CLI ended well."""

MACHINE_RULES: tuple[CauseRule, ...] = (
    CauseRule("upstreams", "harness", "the emulator's and the relay's own words", r"the (emulator|relay) broke: "),
    CauseRule(
        "relay_connection",
        "environment",
        "the relay's own words of a real provider",
        r"the relay (cannot reach|lost the connection to) ",
    ),
    *SHORTAGE_RULES,
    CauseRule("no_permission", "environment", "Linux errno(3)", r"EACCES|\[Errno 13\]"),
    CauseRule(
        "killed",
        "environment",
        "Linux signal(7): SIGHUP, SIGINT, SIGKILL and SIGTERM come from outside; POSIX shell: 128 and the signal",
        r"SIGKILL|SIGTERM|^killed$|signal (9|15)\b|exit(ed)?( with)? (code|status) (129|130|137|143)\b",
    ),
    CauseRule(
        "name_resolution",
        "environment",
        "BerriAI/litellm#9532, BerriAI/litellm#2489",
        r"name or service not known|name resolution|getaddrinfo|ENOTFOUND|EAI_AGAIN|failed to resolve",
    ),
    CauseRule(
        "connection_refused",
        "environment",
        "anthropics/claude-code#87259, BerriAI/litellm#4494",
        r"connection ?refused|ECONNREFUSED|cannot connect to host",
    ),
    CauseRule(
        "connection_lost",
        "environment",
        "anthropics/claude-code#14407, Node.js errno names; aiohttp and httpx, with which LiteLLM asks the upstream",
        r"ECONNRESET|ETIMEDOUT|EPIPE|connection reset|socket hang up|network is unreachable|server disconnected",
    ),
    CauseRule("cli_option", "harness", "the CLI's own argument parser", r"unknown (option|argument)"),
)
"""Trouble of this machine, our upstreams or our own call, whoever tells it: counts before anything on the wire."""

CRASH_RULES: tuple[CauseRule, ...] = (
    CauseRule(
        "cannot_start",
        "environment",
        "Linux ld.so(8); POSIX shell: exit status 126 and 127",
        r"error while loading shared libraries|version .GLIBC\S* not found|permission denied"
        r"|exit(ed)?( with)? (code|status) (126|127)\b",
    ),
    CauseRule(
        "signal",
        "environment",
        "Linux signal(7); Bun reports a fault of its own as a `panic`, whichever signal then ends it",
        r"killed by (SIG(?!(SEGV|ABRT|BUS|TRAP)\b)|signal )(?![\s\S]*panic(\(.*\))?: (?!illegal instruction))",
    ),
)
"""Crashes that are no fault of the CLI: it cannot run here, or a signal ended it that a faulty program does not get.

SIGILL alone is the wrong CPU.
"""

START_RULES: tuple[CauseRule, ...] = (
    CauseRule(
        "aborted_at_start",
        "environment",
        "Linux abort(3); measured on Claude Code 2.1.329, `ulimit -v 600000` or pids.max=4: its runtime cannot begin",
        r"killed by SIGABRT\b",
    ),
)
"""Crashes that are no fault of a CLI that had not begun its work: afterwards they are."""

ACCOUNT_RULES: tuple[CauseRule, ...] = (
    CauseRule(
        "credit",
        "account",
        "facts of the field: published 14 times as a product failure; anthropics/claude-code#66314 (a 400)",
        r"credit balance is too low",
    ),
    CauseRule(
        "usage_limit",
        "account",
        "anthropics/claude-code#38035 (a 400), anthropics/claude-code#39948 (a 429)",
        r"reached your specified API usage limits|extra usage is required",
    ),
    CauseRule(
        "bad_key",
        "account",
        "anthropics/claude-code#2260, anthropics/claude-code#28032, BerriAI/litellm#16964",
        r"invalid x-api-key|security token included in the request is|invalid subscription key"
        r"|unable to locate credentials",
    ),
    CauseRule(
        "google_grant",
        "account",
        "RFC 6749, 5.2; googleapis/google-cloud-python#10004 (a key that is gone or expired), BerriAI/litellm#23512",
        r"\binvalid_grant\b|reauthentication is needed",
    ),
    CauseRule(
        "no_credentials",
        "account",
        "the relay's own words: an account that was not given, or a key that Google grants no token for",
        r"the relay has no usable credentials",
    ),
    CauseRule("organization_disabled", "account", "Anthropic API errors", r"organization has been disabled"),
    CauseRule(
        "model_access",
        "account",
        "anthropics/claude-code#536, obot-platform/obot#6747, yym68686/uni-api#41, Bedrock model access",
        r"don't have access to the model|model access is denied|use.case (details|form)|marked by provider as legacy"
        r"|not allowed to use publisher model|provided model identifier is invalid|on-demand throughput isn",
    ),
)
"""Account trouble, recognised by text before any status: Anthropic and Bedrock send some of it as a plain 400."""

PROVIDER_RULES: tuple[CauseRule, ...] = (
    CauseRule("overloaded", "provider", "anthropics/claude-code#39745: 529, or inside a 200 stream", r"overloaded"),
    CauseRule(
        "throttled_text",
        "provider",
        "anthropics/claude-code#1466, anthropics/claude-code#1440, C17 of the Converse rules",
        r"too many (tokens,|tokens per|requests)|throttlingException|RESOURCE_EXHAUSTED|quota exceeded"
        r"|rate.?limit[ _]?(error|reached|exceeded)",
    ),
    CauseRule(
        "unavailable_text",
        "provider",
        "aws-samples/foundation-model-benchmarking-tool#247 (told with status 400)",
        r"unable to process your request|serviceUnavailableException|modelStreamError|internalServerException",
    ),
)
"""Passing trouble of the provider, recognised by text wherever it is told: it too may come inside a 200 or a 400."""

PROXY_SETUP_RULES: tuple[CauseRule, ...] = (
    CauseRule(
        "proxy_key",
        "harness",
        "modelcontextprotocol/servers#3998, OpenHands/OpenHands#17390",
        r"invalid proxy server token|LiteLLM_VerificationTokenTable|token_not_found_in_db",
    ),
    CauseRule(
        "proxy_route",
        "harness",
        "BerriAI/litellm#9663, BerriAI/litellm#3933, BerriAI/litellm#25466",
        r"invalid model name passed in|no deployments available|no healthy deployments?"
        r"|issue with the selected model",
    ),
)
"""The proxy refuses what we asked of it: our key or our routes are wrong."""

STATUS_RULES: tuple[CauseRule, ...] = (
    CauseRule(
        "model_missing",
        "account",
        "facts of the field: deployments deleted; rashadphz/farfalle#79 (Azure), truefoundry/models#946 (Vertex)",
        r"DeploymentNotFound|deployment for this resource does not exist|publisher model .*not found|not_found_error",
        frozenset({404}),
    ),
    CauseRule("payment", "account", "HTTP 402; Anthropic API errors: billing_error", statuses=frozenset({402})),
    CauseRule(
        "denied",
        "account",
        "HTTP 401, 403; Anthropic API errors: authentication_error, permission_error",
        statuses=frozenset({401, 403}),
        forwarded=False,
    ),
    CauseRule("throttled", "provider", "HTTP 429; Anthropic API errors: 529", statuses=frozenset({429, 529})),
    CauseRule(
        "broken_off",
        "provider",
        "an error within a stream: Anthropic API errors; Bedrock ConverseStream and InvokeModelWithResponseStream",
        statuses=frozenset({200}),
        forwarded=False,
    ),
    CauseRule(
        "upstream_down",
        "provider",
        "HTTP 408, 5xx; botocore bedrock-runtime: 424 ModelErrorException; 0: no answer came before its caller gave up",
        statuses=frozenset({0, 408, 424, *range(500, 600)}),
        forwarded=False,
    ),
)
"""What is left after a refusal of the request is ruled out: decided by status."""

MALFORMED_STREAM = re.compile(r"content block (is not|not found)|unexpected event order", re.IGNORECASE)
"""The CLI cannot read the proxy's stream (BerriAI/litellm#29441): a gateway fault although no status tells it."""

_INVALID_REQUEST = frozenset({400, 413, 422})
_TRANSIENT = frozenset({408, 424, 429})


def classify(error: CliFault, upstream: Sequence[UpstreamAnswer]) -> Outcome:
    """The outcome of a CLI call that failed, from its fault and what the upstream answered (oldest first).

    Leave out of `upstream` the refusals that the test itself asked the upstream for.
    In this order, the first that holds:

    1. the machine, our upstreams or our own call (disk full, killed, no network, our own upstream broke, unknown
       option, a crash of a CLI that cannot run or begin here): inconclusive;
    2. the latest upstream answer that was not a success: account or provider trouble by text, then a request
       refused as invalid (400, 413, 422, or a rule it broke): `fail` of the gateway, then other trouble by status;
    3. the proxy refused our key or our route: inconclusive;
    4. account or provider trouble told only in the CLI's words, if no answer of the upstream was recorded:
       inconclusive (after answers that were all successes, such words are the proxy's own);
    5. a stream of the proxy that the CLI cannot read: `fail` of the gateway;
    6. by kind: an API status the upstream has no part in is a `fail` of the gateway (a 401 or 403 before the upstream
       was asked: our key, inconclusive), a crash is a `fail` of the client, a time-out or lost connection is the
       environment;
    7. anything else is inconclusive, `harness`: it stays visible and is never published as a `fail`.
    """
    message = error.message.strip() or f"{error.kind} fault without a message"
    crash = (*CRASH_RULES, *(() if error.begun else START_RULES)) if error.kind == "crash" else ()
    if rule := _first((*MACHINE_RULES, *crash), error.status, message):
        return Inconclusive(cause=rule.cause, error=message)
    if refusal := next((answer for answer in reversed(upstream) if not answer.ok), None):
        return _from_answer(refusal)
    told = () if upstream else (*ACCOUNT_RULES, *PROVIDER_RULES, *(rule for rule in STATUS_RULES if rule.forwarded))
    if rule := _first((*PROXY_SETUP_RULES, *told), error.status, message):
        return Inconclusive(cause=rule.cause, error=message)
    if MALFORMED_STREAM.search(message):
        return Fail(cause="gateway", error=f"the CLI cannot read the proxy's stream: {message}")
    return _by_kind(error, message, asked=bool(upstream))


def shortage(words: str) -> str | None:
    """The line that tells what the machine lacks, None when none does."""
    lines = words.splitlines()
    return next((line.strip() for line in lines if _first(SHORTAGE_RULES, None, line)), None)


def _from_answer(answer: UpstreamAnswer) -> Outcome:
    words = answer.error or "no reason given"
    did = f"answered {answer.status}" if answer.status else "never answered"
    story = f"the upstream {did}: {words}"
    if rule := _first((*MACHINE_RULES, *ACCOUNT_RULES, *PROVIDER_RULES), answer.status, words):
        return Inconclusive(cause=rule.cause, error=story)
    breaks_a_rule = answer.rule is not None and answer.status < 500 and answer.status not in _TRANSIENT
    if answer.status in _INVALID_REQUEST or breaks_a_rule:
        broken = f", rule {answer.rule}" if answer.rule else ""
        return Fail(cause="gateway", error=f"the upstream refused the request ({answer.status}{broken}): {words}")
    if rule := _first(STATUS_RULES, answer.status, words):
        return Inconclusive(cause=rule.cause, error=story)
    return Inconclusive(cause="harness", error=story)


def _by_kind(error: CliFault, message: str, asked: bool) -> Outcome:
    if error.kind == "api" and error.status is not None and error.status >= 400:
        if asked:
            story = f"the proxy answered {error.status} although the upstream answered every request: {message}"
            return Fail(cause="gateway", error=story)
        if error.status in {401, 403}:
            return Inconclusive(cause="harness", error=message)
        story = f"the proxy answered {error.status} without asking the upstream: {message}"
        return Fail(cause="gateway", error=story)
    if error.kind == "crash":
        return Fail(cause="client", error=f"the CLI crashed: {message}")
    if error.kind in {"timeout", "connection"}:
        return Inconclusive(cause="environment", error=message)
    return Inconclusive(cause="harness", error=message)


def _first(rules: Iterable[CauseRule], status: int | None, words: str) -> CauseRule | None:
    return next((rule for rule in rules if rule.holds(status, words)), None)
