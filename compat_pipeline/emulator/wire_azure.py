"""Azure Foundry's Anthropic endpoint: Anthropic's wire under another path, with Azure's keys and errors."""

from __future__ import annotations

from compat_pipeline.emulator.contract import AuthKind, Incoming, Refused, Wire
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.emulator.wire_anthropic import bearer_of, read_messages, same, sse, whole_message

_PREFIX = "/azure/anthropic/v1/messages"


def _authenticate(incoming: Incoming, credentials: EmulatorCredentials) -> AuthKind:
    headers = incoming.headers
    key = headers.get("api-key") or headers.get("x-api-key")
    if not same(key or bearer_of(incoming), credentials.azure_api_key):
        raise Refused("authentication")
    return "key" if key else "bearer"


WIRE = Wire(
    provider="azure",
    routes=((_PREFIX, "messages"), (f"{_PREFIX}/count_tokens", "count_tokens")),
    authenticate=_authenticate,
    read=lambda incoming: read_messages("azure", incoming),
    whole=whole_message,
    stream=sse,
)
