"""Which accounts the environment gives, and what is said of those it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.relay.accounts import Holder, accounts_from_env

BEDROCK = {"AWS_REGION": "us-west-2", "AWS_BEARER_TOKEN_BEDROCK": "a-token-of-bedrock"}


def vertex(key_file: Path, location: str = "us-east5") -> dict[str, str]:
    return {
        "VERTEX_PROJECT": "a-project",
        "VERTEX_LOCATION": location,
        "GOOGLE_APPLICATION_CREDENTIALS": str(key_file),
    }


def test_an_environment_with_everything_gives_every_account(environment: dict[str, str]) -> None:
    accounts = accounts_from_env(environment)
    assert accounts.missing == {}
    given = ("ANTHROPIC_API_KEY", "AZURE_API_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_BEARER_TOKEN_BEDROCK")
    assert {environment[name] for name in given} <= set(accounts.secrets)


def test_an_account_that_is_not_given_is_named_by_its_variables() -> None:
    assert accounts_from_env({}).missing == {
        "anthropic": "ANTHROPIC_API_KEY is not set",
        "azure": "AZURE_API_KEY and AZURE_API_BASE are not set",
        "bedrock": "AWS_REGION and AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set",
        "vertex_ai": "VERTEX_PROJECT and VERTEX_LOCATION and GOOGLE_APPLICATION_CREDENTIALS are not set",
    }


def test_one_account_needs_no_other() -> None:
    accounts = accounts_from_env({"ANTHROPIC_API_KEY": "a-key"})
    assert accounts.anthropic is not None
    assert accounts.anthropic.url == "https://api.anthropic.com"
    assert accounts.missing.keys() == {"azure", "bedrock", "vertex_ai"}


def test_a_bearer_token_alone_is_an_account_at_bedrock() -> None:
    account = accounts_from_env(BEDROCK).bedrock
    assert account is not None
    assert account.url == "https://bedrock-runtime.us-west-2.amazonaws.com"
    assert account.mantle_url == "https://bedrock-mantle.us-west-2.api.aws"


SECRETS = (
    ("ANTHROPIC_API_KEY", "anthropic"),
    ("AZURE_API_KEY", "azure"),
    ("AWS_BEARER_TOKEN_BEDROCK", "bedrock"),
    ("AWS_ACCESS_KEY_ID", "bedrock"),
    ("AWS_SESSION_TOKEN", "bedrock"),
)


@pytest.mark.parametrize(("name", "holder"), SECRETS)
def test_what_a_secret_s_file_leaves_around_a_key_is_no_part_of_it(
    environment: dict[str, str], name: str, holder: Holder
) -> None:
    accounts = accounts_from_env({**environment, name: " the-key\r\n"})
    assert holder not in accounts.missing
    assert "the-key" in accounts.secrets


@pytest.mark.parametrize(("name", "holder"), SECRETS)
def test_a_key_that_no_header_can_hold_is_a_missing_account(
    environment: dict[str, str], name: str, holder: Holder
) -> None:
    accounts = accounts_from_env({**environment, name: "the\nkey"})
    assert accounts.missing == {holder: f"{name} holds a character that cannot be printed"}


@pytest.mark.parametrize("end", ["", "/", "/anthropic", "/anthropic/", "/anthropic/v1/messages"])
def test_the_base_of_azure_may_be_written_as_litellm_takes_it(end: str) -> None:
    base = f"https://mine.services.ai.azure.com{end}"
    account = accounts_from_env({"AZURE_API_KEY": "a-key", "AZURE_API_BASE": base}).azure
    assert account is not None
    assert account.url == "https://mine.services.ai.azure.com"


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("us-east5", "us-east5-aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_vertex_is_asked_where_the_location_is(environment: dict[str, str], location: str, host: str) -> None:
    account = accounts_from_env(vertex(Path(environment["GOOGLE_APPLICATION_CREDENTIALS"]), location)).vertex_ai
    assert account is not None
    assert account.url == f"https://{host}"


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"client_email": 1, "private_key": "x", "private_key_id": "k", "token_uri": "u"}']
)
def test_a_file_that_is_no_service_account_s_key_is_a_missing_account(tmp_path: Path, content: str) -> None:
    (tmp_path / "key.json").write_text(content)
    accounts = accounts_from_env(vertex(tmp_path / "key.json"))
    assert accounts.vertex_ai is None
    assert accounts.missing["vertex_ai"] == (
        "GOOGLE_APPLICATION_CREDENTIALS names a file that is not a service account's key"
    )


def test_a_key_file_that_cannot_be_read_is_a_missing_account(tmp_path: Path) -> None:
    missing = accounts_from_env(vertex(tmp_path / "nothing")).missing["vertex_ai"]
    assert missing == "GOOGLE_APPLICATION_CREDENTIALS names a file that cannot be read: No such file or directory"


def test_no_credential_shows_when_accounts_are_printed(environment: dict[str, str]) -> None:
    accounts = accounts_from_env(environment)
    assert not [secret for secret in accounts.secrets if secret in repr(accounts)]


def test_the_digest_changes_with_a_key_and_holds_none(environment: dict[str, str]) -> None:
    accounts = accounts_from_env(environment)
    assert accounts.digest == accounts_from_env(environment).digest
    assert accounts.digest != accounts_from_env({**environment, "ANTHROPIC_API_KEY": "another"}).digest


def test_a_wrong_word_for_the_upstreams_ends_everything_before_it_starts(tmp_path: Path) -> None:
    with pytest.raises(CompatError, match="there are no 'real' upstreams") as told:
        CompatHome.from_env({"COMPAT_HOME": str(tmp_path), "COMPAT_UPSTREAM": "real"})
    assert "emulated, live" in str(told.value)


def test_live_documents_lie_apart_from_emulated_ones(tmp_path: Path) -> None:
    emulated = CompatHome.from_env({"COMPAT_HOME": str(tmp_path)})
    live = CompatHome.from_env({"COMPAT_HOME": str(tmp_path), "COMPAT_UPSTREAM": "live"})
    assert (live.matrix, live.details, live.docs_repo) != (emulated.matrix, emulated.details, emulated.docs_repo)
    assert live.history == emulated.history
