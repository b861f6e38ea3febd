"""Known secrets leave no trace, whatever form they took; shapes of secrets go too; what is innocent stays."""

from __future__ import annotations

import base64
import json
import re
import string
from typing import Any
from urllib.parse import quote, quote_plus, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compat_pipeline.domain.redaction import REDACTED, Redactor
from compat_pipeline.domain.secret_shapes import names_a_credential

KEYS = st.text(string.ascii_letters + string.digits + "-_.~", min_size=12, max_size=60)
PASSWORDS = st.text(
    string.ascii_letters + string.digits + "+/=!@#$%&* \"'\\\n\t<>;é√🔑", min_size=12, max_size=40
).filter(lambda secret: len(secret.strip()) >= 12)
SECRETS = (KEYS | PASSWORDS).map(str.strip)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)

NOTHING_KNOWN = Redactor([])


@settings(deadline=None)
@given(secret=SECRETS, before=TEXTS, after=TEXTS)
def test_a_secret_is_gone_from_text(secret: str, before: str, after: str) -> None:
    assert secret not in Redactor([secret]).text(f"{before}{secret}{after}")


@settings(deadline=None)
@given(secret=SECRETS, before=TEXTS, after=TEXTS)
def test_a_secret_is_gone_from_addresses(secret: str, before: str, after: str) -> None:
    redactor = Redactor([secret])
    for quoted in (quote(secret, safe=""), quote(secret), quote_plus(secret), quote(quote(secret, safe=""), safe="")):
        for spelled in (quoted, re.sub("%..", lambda found: found.group().lower(), quoted)):
            clean = redactor.text(f"{before}?key={spelled}&{after}")
            assert spelled not in clean
            assert secret not in unquote(unquote(clean))


@settings(deadline=None)
@given(secret=SECRETS, before=TEXTS, after=TEXTS, ascii_only=st.booleans(), times=st.integers(1, 3))
def test_a_secret_is_gone_from_json_in_json(secret: str, before: str, after: str, ascii_only: bool, times: int) -> None:
    text = before + secret + after
    for _ in range(times):
        text = json.dumps(text, ensure_ascii=ascii_only)
    clean = Redactor([secret]).text(text)
    assert json.dumps(secret, ensure_ascii=ascii_only)[1:-1] not in clean
    assert REDACTED in clean


@settings(deadline=None)
@given(secret=SECRETS, before=st.binary(max_size=40), after=st.binary(max_size=40))
def test_a_secret_is_gone_from_base64_of_a_longer_text(secret: str, before: bytes, after: bytes) -> None:
    redactor = Redactor([secret])
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        clean = redactor.text(f"Basic: {encode(before + secret.encode() + after).decode()}.")
        assert not any(secret.encode() in decoded for decoded in _all_base64(clean))


def _all_base64(text: str) -> list[bytes]:
    """Whatever the runs of base64 in `text` hold, read from each of the four places where a group may begin."""
    runs = re.findall(r"[A-Za-z0-9+/]+", text.replace("-", "+").replace("_", "/"))
    whole = [run[start:][: (len(run) - start) // 4 * 4] for run in runs for start in range(4)]
    return [base64.b64decode(run) for run in whole]


@settings(deadline=None)
@given(secret=SECRETS, before=st.binary(max_size=9), after=st.binary(max_size=9))
def test_a_secret_is_gone_from_hex(secret: str, before: bytes, after: bytes) -> None:
    text = (before + secret.encode() + after).hex()
    for spelled in (text, text.upper()):
        assert secret.encode().hex() not in Redactor([secret]).text(spelled).lower()


@settings(deadline=None)
@given(secret=SECRETS)
def test_a_secret_is_gone_from_what_python_prints(secret: str) -> None:
    redactor = Redactor([secret])
    for shown in (repr({"sent": secret}), repr([secret.encode()]), repr(ValueError(secret)), ascii(secret)):
        assert REDACTED in redactor.text(shown)
        assert secret not in redactor.text(shown)


@pytest.mark.parametrize("length", [16, 20, 24, 28])
def test_each_line_of_a_private_key_is_gone_where_it_stands_alone(length: int) -> None:
    """The last line of 2048 bits has 20 characters in one key of thirty, else 24 or 28."""
    lines = ["A1b2C3d4" * 8, "q8Zr1Lx0Vd3tYbN5mWc7KpHsGf2J"[:length]]
    redactor = Redactor(["\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----", ""])])
    assert [redactor.text(f"said: {line}.") for line in lines] == [f"said: {REDACTED}."] * 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(secret=SECRETS, value=JSON, before=TEXTS, after=TEXTS)
def test_a_secret_is_gone_from_values_and_keys_of_json(secret: str, value: Any, before: str, after: str) -> None:
    holding = before + secret + after
    clean = Redactor([secret]).json({"a": [value, holding], holding: {"b": json.dumps({"c": holding})}})
    assert json.dumps(secret)[1:-1] not in json.dumps(clean)
    assert secret not in "".join(_strings(clean))
    assert next(iter(clean)) == "a"
    assert len(clean["a"]) == 2


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in _strings(one)]
    if isinstance(value, list):
        return [text for one in value for text in _strings(one)]
    return [str(value)]


def test_secrets_are_found_beside_and_within_one_another() -> None:
    clean = Redactor(["first-secret", "first-secret-longer", "another-secret"]).text(
        "first-secret-longer,first-secretanother-secret"
    )
    assert clean == f"{REDACTED},{REDACTED}{REDACTED}"


def test_what_is_shorter_than_eight_characters_is_no_secret() -> None:
    assert Redactor(["", "abc", "pass"]).text("abc pass") == "abc pass"


RECOGNISED = {
    "anthropic": ("sk-ant-api03-Zx8vT1qWm4Lk9Rj2", "[redacted anthropic-key]"),
    "litellm": ("key sk-Ab3dEf6hIj9kLm2nOp5q refused", "key [redacted api-key] refused"),
    "litellm in escaped text": (r"refused:\nsk-Ab3dEf6hIj9kLm2nOp5q", r"refused:\n[redacted api-key]"),
    "aws access key": ("id AKIAIOSFODNN7EXAMPLE.", "id [redacted aws-access-key]."),
    "aws temporary key": ("ASIAIOSFODNN7EXAMPLE", "[redacted aws-access-key]"),
    "aws secret key": (
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "aws_secret_access_key = [redacted credential]",
    ),
    "bedrock key": (f"ABSK{'QmVkcm9ja0FQSUtleS0x' * 3}", "[redacted bedrock-key]"),
    "google key": (f"?key=AIza{'Sy0' * 11}Ab", "?key=[redacted google-key]"),
    "google token": ("ya29.a0AfH6SMBx1234567890abc", "[redacted google-key]"),
    "azure key in a header": ("api-key: 0123456789abcdef0123456789abcdef", "api-key: [redacted credential]"),
    "key in a printed header": ("(b'x-api-key', b'f00dfeed12345678')", "(b'x-api-key', b'[redacted credential]')"),
    "azure storage": (f"AccountKey={'a' * 86}==;", "[redacted azure-storage-account-access-key];"),
    "github": (f"ghp_{'a1' * 18}", "[redacted github-token]"),
    "github app": (f"ghs_{'a1' * 18}", "[redacted github-token]"),
    "github fine-grained": (f"github_pat_{'a1' * 20}", "[redacted github-token]"),
    "gitlab": (f"glpat-{'a1' * 10}", "[redacted gitlab-token]"),
    "slack": ("xoxb-123456789012-abcdefABCDEF", "[redacted slack-token]"),
    "npm": (f"npm_{'a1' * 18}", "[redacted npm-token]"),
    "jwt": ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "[redacted jwt]"),
    "bearer": ("Authorization: Bearer abc123def456ghi789", "Authorization: Bearer [redacted credential]"),
    "basic": ("authorization: Basic dXNlcjpzM2NyZXQ=", "authorization: Basic [redacted credential]"),
    "variable": ("AZURE_API_KEY=s3cret+value/0 next", "AZURE_API_KEY=[redacted credential] next"),
    "address with a password": ("postgres://me:hunter22@db", "postgres[redacted basic-auth-credentials]db"),
    "arn": ("arn:aws:iam::123456789012:user/x", "arn:aws:iam::[redacted aws-account]:user/x"),
    "quoted arn": (
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aprofile%2Fx/invoke",
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A[redacted aws-account]%3Aprofile%2Fx/invoke",
    ),
    "aws account": ("your account 123456789012 is", "your account [redacted aws-account] is"),
    "azure subscription": (
        "/subscriptions/01234567-89ab-cdef-0123-456789abcdef/x",
        "/subscriptions/[redacted azure-id]/x",
    ),
    "google project": (
        "projects/my-project-1/locations/global",
        "projects/[redacted google-project]/locations/global",
    ),
    "google project by name": ('vertex_project="my-project-1"', 'vertex_project="[redacted google-project]"'),
    "service account": ("bot@my-project-1.iam.gserviceaccount.com", "[redacted email]"),
    "email": ("write to a.user+x@example.co.uk.", "write to [redacted email]."),
    "email in an address": ("?user=a.user%40example.com&x", "?user=[redacted email]&x"),
    "linux home": ("in /home/alice/work", "in [redacted home]/work"),
    "mac home": ('"/Users/alice.b"', '"[redacted home]"'),
    "root home": ("/root/.config, /root", "[redacted home]/.config, [redacted home]"),
    "windows home": (r"C:\\Users\\alice\\x", r"[redacted home]\\x"),
    "home after an escaped line": (r"at:\n/home/alice/x", r"at:\n[redacted home]/x"),
    "folder of the cli": ("projects/-home-alice-work/x", "projects/[redacted home]-work/x"),
    "s3 query": (
        "https://b.s3.amazonaws.com/k?X-Amz-Credential=AKIAX%2F20260101&X-Amz-Signature=00ff&X-Amz-Date=1",
        "https://b.s3.amazonaws.com/k?X-Amz-Credential=[redacted signature]&X-Amz-Signature=[redacted signature]"
        "&X-Amz-Date=1",
    ),
    "sas query": ("https://x/y?sv=1&sig=Ab%2Bc%3D&se=2", "https://x/y?sv=1&sig=[redacted signature]&se=2"),
    "gcs query": ("?X-Goog-Signature=00ff11", "?X-Goog-Signature=[redacted signature]"),
    "sigv4 header": (
        f"SignedHeaders=host, Signature={'0f' * 32}",
        "SignedHeaders=host, Signature=[redacted signature]",
    ),
    "private key": (
        "-----BEGIN PRIVATE KEY-----\nMIIEvQ/+\n-----END PRIVATE KEY-----\n",
        "[redacted private-key]\n",
    ),
    "private key cut off": (rf"-----BEGIN RSA PRIVATE KEY-----\n{'MIIE' * 16}", "[redacted private-key]"),
}


@pytest.mark.parametrize(("text", "clean"), RECOGNISED.values(), ids=RECOGNISED)
def test_a_shape_is_recognised_and_its_kind_is_told(text: str, clean: str) -> None:
    assert NOTHING_KNOWN.text(text) == clean


def test_what_stands_behind_something_taken_out_goes_too() -> None:
    assert NOTHING_KNOWN.text("/home/alice/home/bob/x") == "[redacted home][redacted home]/x"


def test_a_name_gives_its_value_away() -> None:
    assert NOTHING_KNOWN.json(
        {"x-goog-api-key": "words-only-value", "authorization": "Bearer words only", "accountId": "123456789012"}
    ) == {
        "x-goog-api-key": "[redacted credential]",
        "authorization": "[redacted credential]",
        "accountId": "[redacted aws-account]",
    }


@pytest.mark.parametrize(
    "name", ["ANTHROPIC_AUTH_TOKEN", "AWS_SECRET_ACCESS_KEY", "x-api-key", "client_secret", "Cookie"]
)
def test_names_of_credentials_are_known(name: str) -> None:
    assert names_a_credential(name)


@pytest.mark.parametrize("name", ["MAX_THINKING_TOKENS", "input_tokens", "signature", "ENABLE_PROMPT_CACHING_1H", "id"])
def test_other_names_are_not(name: str) -> None:
    assert not names_a_credential(name)


PICTURE = base64.b64encode(bytes(range(256)) * 300).decode()
INNOCENT = [
    "Reply with nonce-0123456789ab and nothing else",
    "the secret word is nonce-0123456789ab; token: nonce-0123456789ab",
    "toolu_01A09q90qw90lq917835lq9 tooluse_kZJMlvQmRJ6eAyJE5GIl7Q msg_01XFDUDYJgAACzvnptvVoYEL",
    "us.anthropic.claude-haiku-4-5-20251001-v1:0 claude-haiku-4-5@20251001 vertex_ai/claude-haiku-4-5@20251001",
    "/v1/messages?beta=true",
    "anthropic-beta: advanced-tool-use-2025-11-20,claude-code-20250219,interleaved-thinking-2025-05-14",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "2.1.329 (Claude Code) litellm/1.106.2 v1.83.14-stable 2026-01-31T12:00:00.123456Z",
    "max_tokens: 32000, budget_tokens=31999, cache_creation_input_tokens: 12345678, time_to_first_token: 0.12345678",
    "tool_use|bedrock_converse/claude-sonnet-4-6",
    "task-1234567890-abcdefgh disk-0123456789abcdef a-risk-2025-assessment-01 scikit sk-learn-contrib-package",
    "basic messaging through the bearer of news; a password is asked for; the API key: see the docs",
    "thinking signature EqQBCkYIBxgCKkDCvN0+" + "Ab3/" * 400,
    "user 3f2504e0-4f89-11d3-9a0c-0305e82c3301 at 127.0.0.1:4000, https://docs.litellm.ai/docs/root/home/x",
    "@anthropic-ai/claude-code@2.1.329 git@v2 `@name` cc @reviewer",
    PICTURE,
]


@pytest.mark.parametrize("text", INNOCENT, ids=range(len(INNOCENT)))
def test_what_is_innocent_stays(text: str) -> None:
    redactor = Redactor(["sk-some-known-key-0123456789"])
    assert redactor.text(text) == text
    assert redactor.json({"text": text, "list": [text, 1, 2.5, None, True]}) == {
        "text": text,
        "list": [text, 1, 2.5, None, True],
    }


def test_a_picture_stays_whole_but_for_a_secret_in_it() -> None:
    held = base64.b64encode(b"\x89PNG" * 400 + b"known-secret-of-ours" + b"\x00" * 400).decode()
    clean = Redactor(["known-secret-of-ours"]).text(held)
    assert clean.replace(REDACTED, "").startswith(held[:2000])
    assert clean.endswith(held[-500:])
    assert REDACTED in clean


PIECES = st.lists(
    st.sampled_from(
        [text for text, _ in RECOGNISED.values()] + [clean for _, clean in RECOGNISED.values()] + INNOCENT[:-1]
    )
    | SECRETS
    | TEXTS,
    min_size=1,
    max_size=6,
)


@settings(deadline=None)
@given(pieces=PIECES, secret=SECRETS, between=st.sampled_from(["", " ", "\n", '"', "/", ":", "="]))
def test_cleaning_again_changes_nothing(pieces: list[str], secret: str, between: str) -> None:
    redactor = Redactor([secret])
    once = redactor.text(between.join([*pieces, secret]))
    assert redactor.text(once) == once
    assert Redactor([secret]).json({between: [once]}) == {between: [once]}


@pytest.mark.parametrize(
    "unit",
    [
        "eyJ",
        "a",
        "sk-",
        "-",
        "\\",
        "@",
        "A.",
        "/home/",
        "://",
        "key",
        "aws",
        "-----BEGIN PRIVATE KEY-----",
        "%40",
        "\\n",
        "Bearer ",
    ],
)
def test_long_runs_of_anything_end_soon(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    assert isinstance(Redactor(['"quoted" \\secret\\ value']).text(text), str)
