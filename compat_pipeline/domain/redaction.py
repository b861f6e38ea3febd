"""Taking known secrets out of text before it is kept or shown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.parse import quote

REDACTED = "[redacted]"
_SHORTEST_SECRET_CHARS = 8


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` without any of `secrets`, as they are, URL-quoted or JSON-escaped.

    What is shorter than 8 characters is no secret, and taking it out would only garble the text.
    """
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET_CHARS:
            for form in {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}:
                text = text.replace(form, REDACTED)
    return text
