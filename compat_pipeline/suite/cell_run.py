"""What a probe works with: ask the CLI, read what the upstream saw, prove things."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import httpx

from compat_pipeline.claude.driver import ClaudeCall, ProxyAddress, Sandbox, run_claude
from compat_pipeline.claude.stream import ClaudeResult
from compat_pipeline.domain.causes import CliFault, UpstreamAnswer, classify, shortage
from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.manifest import AuthMode
from compat_pipeline.domain.observation import Fail, Inconclusive, Outcome, Pass, ProductCause
from compat_pipeline.domain.retries import pause_before_retry
from compat_pipeline.suite.crossing import harm, said, user_text
from compat_pipeline.suite.settings import SuiteSettings
from compat_pipeline.wire.client_exchange import HUNG_UP, ClientExchange
from compat_pipeline.wire.evidence import CallEvidence
from compat_pipeline.wire.exchange import CannotScript, Exchange, UpstreamControl
from compat_pipeline.wire.faults.fault import Fault
from compat_pipeline.wire.recorder import STREAMS_REFUSED, Recording, recording

_OK = 200
_DIRECT_LIMIT_S = 60.0
INPUT_COUNTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


class Judged(Exception):
    """Ends a probe early with the outcome it reached."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(getattr(outcome, "error", "") or outcome.status)
        self.outcome = outcome


def prove(holds: bool, error: str, cause: ProductCause = "gateway") -> None:
    """Go on only if `holds`; otherwise the cell fails with `error`, a fault of `cause`."""
    if not holds:
        raise Judged(Fail(error=error, cause=cause))


def expect_of_model(holds: bool, what: str) -> None:
    """Go on only if the model itself did its part; where the upstream already said otherwise, no product is judged."""
    if not holds:
        raise Judged(Inconclusive(cause="model_behaviour", error=what))


@dataclass(frozen=True)
class Talk:
    """One CLI process from every side, oldest first.

    `result` is what the CLI reported, `client` the messages it sent the proxy and what it got, `exchanges` what the
    upstream saw and sent. Requests to count tokens are in none of them.
    """

    result: ClaudeResult
    client: list[ClientExchange]
    exchanges: list[Exchange]

    def prove_answer(self, expected: str, turn: int = -1) -> None:
        """The model's words in the user's turn number `turn` (from 0) were `expected`, and they arrived so.

        By default the last; before another there must have been no turn of more than one reply.
        """
        sent = said(self.replies[turn]).strip()
        expect_of_model(sent == expected, f"the model was led to answer '{expected}', but answered '{sent}'")
        told = (self.result.text if turn == -1 else self.result.answers[turn]).strip()
        prove(told == expected, f"the upstream answered '{expected}', the CLI was told '{told}'")

    @property
    def replies(self) -> list[dict[str, Any]]:
        """The messages that the upstream sent, oldest first."""
        return [one.reply for one in self.exchanges if one.reply is not None]

    @property
    def refused(self) -> list[Exchange]:
        """The exchanges in which the upstream refused, or broke off its answer."""
        return _refused(self.exchanges)

    @property
    def fault(self) -> CliFault | None:
        """How the CLI failed, or what went wrong although the CLI ended well; None when neither is so."""
        if error := self.result.error:
            begun = bool(self.result.events or self.client)
            return CliFault(kind=error.kind, status=error.status, message=error.message, begun=begun)
        if self.refused:
            return CliFault(kind="other", status=self.refused[0].status, message=self.refused[0].error or "")
        if failed := [one for one in self.client if one.refusal and STREAMS_REFUSED not in one.refusal]:
            return fault_of(failed[0])
        heard = (self.result.stderr, *(str(one.content) for one in self.result.tool_results))
        lacking = shortage("\n".join(heard))
        return CliFault(kind="other", status=None, message=lacking) if lacking else None

    @property
    def outcome(self) -> Outcome | None:
        """Whom its fault points at: the proxy, where it changed what passed it although the upstream was sound."""
        fault = self.fault
        if fault is None:
            return None
        sound = bool(self.exchanges) and not self.refused
        if sound and (changed := harm(self.client, self.exchanges)):
            return Fail(error=f"{'; '.join(changed)}; the CLI: {fault.message}")
        return classify(fault, _answers(self.exchanges))

    @property
    def timed_out(self) -> bool:
        return self.fault is not None and self.fault.kind == "timeout"

    @property
    def retry_after_s(self) -> float | None:
        """The longest wait that an answer asked for."""
        return max((one.retry_after_s for one in self.client if one.retry_after_s is not None), default=None)


@dataclass(frozen=True)
class Direct:
    """One request straight to the proxy, from both sides of it."""

    client: ClientExchange
    exchanges: list[Exchange]

    @property
    def outcome(self) -> Outcome | None:
        """Whom it points at that there is no answer, or trouble upstream although the proxy made up an answer."""
        client = self.client
        if client.status == _OK and not client.broken:
            told = (classify(CliFault("other", one.status, ""), _answers([one])) for one in _refused(self.exchanges))
            return next((outcome for outcome in told if isinstance(outcome, Inconclusive)), None)
        return classify(fault_of(client), _answers(self.exchanges))

    @property
    def timed_out(self) -> bool:
        return self.client.broken == HUNG_UP

    @property
    def retry_after_s(self) -> float | None:
        return self.client.retry_after_s


_Tried = TypeVar("_Tried", Talk, Direct)


def fault_of(client: ClientExchange) -> CliFault:
    """How a request failed that the proxy answered with no success, or not to the end."""
    kind: Literal["api", "connection"] = "api" if client.status else "connection"
    return CliFault(kind, client.status or None, client.refusal or str(client.broken))


@dataclass
class CellRun:
    """One run of one cell. Everything it did is kept in `calls`, in order.

    `findings` is what is worth telling of a cell that passes all the same: trouble after which a call was tried again,
    a refusal that the proxy made up for, a setting that became another one on the way.
    `served_as` holds the names under which the proxy serves the model, each with the authentication that it means;
    calls go to `name`, by default the cell's target. `behaviour` is what every nonce is armed with.
    """

    cell: Cell
    route: str
    settings: SuiteSettings
    upstream: UpstreamControl
    fault: Fault | None = None
    served_as: Mapping[str, AuthMode | None] = field(default_factory=dict)
    name: str = ""
    behaviour: str = ""
    calls: list[CallEvidence] = field(default_factory=list)
    attempts: int = 1
    findings: list[str] = field(default_factory=list)
    _seen: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name = self.name or self.cell.target
        self.served_as = self.served_as or {self.name: None}

    def nonce(self) -> str:
        """A fresh code that marks a prompt and that no cached or canned answer can contain."""
        nonce = f"nonce-{secrets.token_hex(6)}"
        if self.behaviour:
            self.arm(nonce, self.behaviour)
        return nonce

    def arm(self, nonce: str, behaviour: str) -> None:
        """Let the upstream treat the requests of `nonce` as scripted, e.g. be overloaded. Judged if it cannot."""
        try:
            self.upstream.arm(nonce, behaviour)
        except CannotScript as error:
            raise Judged(Inconclusive(cause="harness", error=str(error))) from error

    @contextmanager
    def sandbox(self) -> Iterator[Sandbox]:
        """A home and working folder for calls that must see the very same prompt, or one conversation."""
        with Sandbox(self.settings.scratch) as sandbox:
            yield sandbox

    def try_once(
        self, nonce: str, prompt: str = "", sandbox: Sandbox | None = None, refuse_streams: bool = False, **options: Any
    ) -> Talk:
        """Run the CLI once and collect every side of it, whatever came of it. `options` are fields of ClaudeCall."""
        call = ClaudeCall(**({"model": self.name, "prompt": prompt or None} | options))
        late = self._late_exchanges(nonce)
        with (
            self.sandbox() if sandbox is None else nullcontext(sandbox) as folder,
            self._recording(refuse_streams) as recorder,
        ):
            address = ProxyAddress(recorder.url, self.settings.proxy_key)
            result = run_claude(self.settings.claude, address, call, folder)
            client = recorder.exchanges()
        upstream = self._new_exchanges(nonce)
        self.calls.append(_evidence(result, client, [*late, *upstream]))
        return Talk(
            result,
            [one for one in client if one.operation == "messages"],
            [one for one in upstream if one.operation != "count_tokens"],
        )

    def ask(self, nonce: str, prompt: str = "", **options: Any) -> Talk:
        """`try_once`, again after passing trouble, until it ended well.

        Raises Judged when it did not: the fault is classified by what the upstream answered, so that a provider's or
        an account's trouble never reads as a product fault. It does the same for a request that the upstream refused
        and the CLI or LiteLLM healed behind our back.
        """
        return self._persist(lambda: self.try_once(nonce, prompt, **options))

    def post(self, nonce: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Direct:
        """One request straight to the proxy, without the CLI; `nonce` must be in it. Again after passing trouble.

        Raises Judged as `ask` does. Only a refusal that speaks of the request itself, and that the proxy made up for,
        is left to the caller; it is a finding.
        """
        direct = self._persist(lambda: self._post_once(nonce, path, body, headers or {}))
        for refusal in _refused(direct.exchanges):
            self.findings.append(f"refused by the upstream ({refusal.status}), made up for by LiteLLM: {refusal.error}")
        return direct

    def _persist(self, attempt: Callable[[], _Tried]) -> _Tried:
        number = 1
        while True:
            tried = attempt()
            outcome = tried.outcome
            if outcome is None:
                return tried
            pause_s = pause_before_retry(outcome, number, timed_out=tried.timed_out, retry_after_s=tried.retry_after_s)
            if pause_s is None:
                raise Judged(outcome)
            self.findings.append(f"attempt {number} was in vain, and was repeated: {_told(outcome)}")
            time.sleep(pause_s)
            number += 1
            self.attempts = max(self.attempts, number)

    def _post_once(self, nonce: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Direct:
        late = self._late_exchanges(nonce)
        with self._recording() as recorder:
            key = {"authorization": f"Bearer {self.settings.proxy_key}", "anthropic-version": "2023-06-01"}
            with suppress(httpx.HTTPError), httpx.Client(trust_env=False, timeout=_DIRECT_LIMIT_S) as client:
                client.post(f"{recorder.url}{path}", json=dict(body), headers=key | dict(headers))
            seen = recorder.exchanges()
        if not seen:
            raise Judged(Inconclusive(cause="harness", error=f"the request to {path} never left"))
        upstream = self._new_exchanges(nonce)
        self.calls.append(CallEvidence(exchanges=tuple(seen), upstream=(*late, *upstream)))
        return Direct(seen[0], upstream)

    def _recording(self, refuse_streams: bool = False) -> AbstractContextManager[Recording]:
        settings = self.settings
        return recording(settings.proxy_url, door=settings.door, fault=self.fault, refuse_streams=refuse_streams)

    def _late_exchanges(self, nonce: str) -> list[Exchange]:
        """What a call before left under way: the proxy may pass on a request whose CLI was killed. No later call's."""
        return self._new_exchanges(nonce) if nonce in self._seen else []

    def _new_exchanges(self, nonce: str) -> list[Exchange]:
        """What the upstream saw since the last call with this nonce."""
        known = self.upstream.exchanges(nonce)
        fresh = known[self._seen.get(nonce, 0) :]
        self._seen[nonce] = len(known)
        return fresh

    def converse(self, nonce: str, prompt: str = "", *, turns: int = 1, nested: bool = False, **options: Any) -> Talk:
        """`ask`, and `prove_sound`."""
        return self.prove_sound(self.ask(nonce, prompt, **options), prompt, turns=turns, nested=nested)

    def prove_sound(self, talk: Talk, prompt: str = "", *, turns: int = 1, nested: bool = False) -> Talk:
        """Prove what holds for every sound conversation of `turns` model turns.

        One request per turn on both sides of the proxy, none refused (by `ask`), each streamed to the model that was
        asked for, and unharmed (`prove_intact`). Self-healing by the CLI or by LiteLLM shows up here as a request
        too many. With `nested`, some turns are of conversations that the CLI holds on its own (a search, a sub-agent,
        a summary): only the first must carry the prompt, and the session's total must count them all.
        """
        if self.settings.upstream == "live":
            _expect_turns(talk, turns)
        unstreamed = len([one for one in talk.client if not one.streamed])
        prove(
            len(talk.client) == turns,
            f"the CLI sent {len(talk.client)} requests where {turns} were due, {unstreamed} of them without streaming",
        )
        prove(
            len(talk.exchanges) == turns,
            f"the upstream got {len(talk.exchanges)} requests where {turns} were due (re-sent or lost)",
        )
        prove(all(one.streamed for one in talk.exchanges), "the CLI asked for a stream, the upstream got none")
        self.prove_intact(talk, prompt, nested=nested)
        return talk

    def prove_intact(self, talk: Talk, prompt: str, *, nested: bool = False) -> None:
        """The model, the credentials, all words, tool calls, the way it ended and the token counts crossed unharmed."""
        auth = self.served_as[self.name]
        for number, exchange in enumerate(talk.exchanges):
            self.prove_model(exchange)
            prove(auth in (None, exchange.auth), f"LiteLLM was to be known as '{auth}', it was as '{exchange.auth}'")
            words = prompt if number == 0 or not nested else ""
            prove(words in user_text(exchange.request), "the user's words did not reach the upstream whole")
        changed = harm(talk.client, talk.exchanges)
        prove(not changed, "; ".join(changed))
        sent = [reply["usage"] for reply in talk.replies]
        told = _session_tokens(talk.result) if nested else _turn_tokens(talk.result)
        for name, due, seen in (
            ("input", sum(_input_tokens(usage) for usage in sent), told[0]),
            ("output", sum(int(usage["output_tokens"]) for usage in sent), told[1]),
        ):
            prove(seen == due, f"the upstream counted {due} {name} tokens, the CLI was told {seen}")

    def prove_model(self, exchange: Exchange) -> None:
        """The upstream was asked for the route's model by its whole name: one without its region is another one."""
        same = self.route.endswith(f"/{exchange.model}")
        prove(same, f"asked for {self.route}, the upstream was asked for {exchange.model}")

    def passed(self) -> Outcome:
        """All that had to be proven was."""
        return Pass()


def _expect_turns(talk: Talk, turns: int) -> None:
    """A real model may take other turns than it was led to: then the number of requests says nothing of the proxy.

    A request that was only sent again is no further turn. What the model said must have crossed unharmed all the same.
    """
    taken = len({json.dumps(one.request.get("messages")) for one in talk.client})
    if taken != turns:
        changed = harm(talk.client, talk.exchanges)
        prove(not changed, "; ".join(changed))
    expect_of_model(taken == turns, f"the model was led to take {turns} turn(s), but took {taken}")


def _told(outcome: Outcome) -> str:
    return f"{outcome.cause}: {outcome.error}" if isinstance(outcome, Fail | Inconclusive) else outcome.status


def _refused(exchanges: Sequence[Exchange]) -> list[Exchange]:
    return [one for one in exchanges if one.status != _OK or one.error is not None]


def _evidence(result: ClaudeResult, client: Sequence[ClientExchange], upstream: Sequence[Exchange]) -> CallEvidence:
    return CallEvidence(
        argv=result.argv,
        env=result.env,
        stdin=result.stdin,
        events=(*result.events, *result.unreadable),
        stderr=result.stderr,
        exit_code=result.exit_code,
        started_at=result.started_at,
        duration_s=result.duration_s,
        cpu_s=result.cpu_s,
        exchanges=tuple(client),
        upstream=tuple(upstream),
    )


def _input_tokens(usage: Mapping[str, Any]) -> int:
    """All input, however it is split between fresh, read from the cache and written to it."""
    return sum(int(usage.get(name) or 0) for name in INPUT_COUNTS)


def _turn_tokens(result: ClaudeResult) -> tuple[int, int]:
    """Input and output of the user's own turns."""
    return _input_tokens(vars(result.usage)), result.usage.output_tokens


def _session_tokens(result: ClaudeResult) -> tuple[int, int]:
    """Input and output of all that the session asked for, nested conversations too."""
    models = result.model_usage.values()
    names = ("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
    return sum(model.get(name, 0) for model in models for name in names), sum(
        model.get("outputTokens", 0) for model in models
    )


def _answers(exchanges: Sequence[Exchange]) -> list[UpstreamAnswer]:
    return [UpstreamAnswer(status=one.status, error=one.error, rule=one.rule) for one in exchanges]
