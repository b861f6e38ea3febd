"""Known secrets leave no trace, whatever form they took."""

from __future__ import annotations

import json
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from compat_pipeline.domain.redaction import redact

SECRETS = st.text(min_size=12)


@given(secret=SECRETS, before=st.text(), after=st.text())
def test_a_secret_is_gone_in_every_form(secret: str, before: str, after: str) -> None:
    text = f"{before}{secret} {quote(secret, safe='')} {json.dumps(secret)}{after}"
    clean = redact(text, [secret])
    assert secret not in clean
    assert quote(secret, safe="") not in clean


def test_text_without_secrets_is_kept_as_it_is() -> None:
    assert redact("a plain error", ["sk-secret-of-ours", ""]) == "a plain error"
