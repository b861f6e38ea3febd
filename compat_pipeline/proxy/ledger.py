"""The ledger: what LiteLLM recorded of each call that it answered, as `within/compat_ledger.py` wrote it down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from compat_pipeline.ground.errors import CompatError

LEDGER_FILE = "ledger.jsonl"
CALLBACK = "compat_ledger.record"
CALLBACK_FOLDER = Path(__file__).with_name("within")
LEDGER_VARIABLE = "CALL_LEDGER"


class LedgerEntry(BaseModel):
    """One call in LiteLLM's own words; None is what it did not record.

    `call_id` is the `x-litellm-call-id` of its answer, `model` the name it was asked for, `tags` what its spend is
    counted under (the caller's user agent is among them). `prompt_tokens` are all input tokens, cached ones included.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    call_id: str
    model: str | None
    tags: tuple[str, ...]
    prompt_tokens: int | None
    completion_tokens: int | None
    cache_read_tokens: int | None
    cache_creation_tokens: int | None
    cost_usd: float | None


@dataclass(frozen=True)
class Ledger:
    """The ledger of one proxy."""

    path: Path

    @property
    def kept(self) -> bool:
        """Whether anything was ever recorded; a proxy's trial messages are the first."""
        return bool(self._lines())

    def entries(self, call_id: str) -> list[LedgerEntry]:
        """Each record of one call, oldest first; LiteLLM writes it a moment after the answer has ended.

        ValueError where LiteLLM recorded something else than a number, a name or tags.
        """
        wanted = call_id.encode()
        return [LedgerEntry.model_validate_json(line) for line in self._lines() if wanted in line]

    def _lines(self) -> list[bytes]:
        """The whole lines; one that is being written does not count yet."""
        try:
            return self.path.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise CompatError(
                f"cannot read LiteLLM's ledger {self.path}: {error.strerror}", "restart the proxy"
            ) from error
