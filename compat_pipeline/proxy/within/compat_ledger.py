"""LiteLLM's success callback that writes the ledger: what LiteLLM recorded of each call it answered.

A line of JSON per call, without a word of the prompt or the answer; `proxy/ledger.py` reads it. LiteLLM has made its
record (its StandardLoggingPayload) before it calls back, whoever listens: nothing that it does depends on this.
Source: LiteLLM, custom callbacks (`success_callback: [file.function]`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


async def record(kwargs: Mapping[str, Any], _response: object, _started: object, _ended: object) -> None:
    """Append the call that LiteLLM describes in `kwargs` to the file that CALL_LEDGER names."""
    payload = kwargs["standard_logging_object"]
    usage = (payload.get("metadata") or {}).get("usage_object") or {}
    entry = {
        "call_id": kwargs["litellm_call_id"],
        "model": payload.get("model_group"),
        "tags": payload.get("request_tags") or [],
        "prompt_tokens": payload.get("prompt_tokens"),
        "completion_tokens": payload.get("completion_tokens"),
        "cache_read_tokens": usage.get("cache_read_input_tokens"),
        "cache_creation_tokens": usage.get("cache_creation_input_tokens"),
        "cost_usd": payload.get("response_cost"),
    }
    with Path(os.environ["CALL_LEDGER"]).open("ab", buffering=0) as ledger:
        ledger.write(json.dumps(entry).encode() + b"\n")
