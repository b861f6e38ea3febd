"""Azure Foundry's Anthropic endpoint: Anthropic's wire under another path, with Azure's keys and errors."""

from __future__ import annotations

from compat_pipeline.emulator.contract import Incoming, Refused, Wire
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.emulator.wire_anthropic import bearer_of, read_messages, same, sse, whole_message

_PREFIX = "/azure/anthropic/v1/messages"


def _authenticate(incoming: Incoming, credentials: EmulatorCredentials) -> None:
    headers = incoming.headers
    given = headers.get("api-key") or headers.get("x-api-key") or bearer_of(incoming)
    if not same(given, credentials.azure_api_key):
        raise Refused("authentication")


WIRE = Wire(
    provider="azure",
    routes=((_PREFIX, "messages"), (f"{_PREFIX}/count_tokens", "count_tokens")),
    authenticate=_authenticate,
    read=lambda incoming: read_messages("azure", incoming),
    whole=whole_message,
    stream=sse,
)
