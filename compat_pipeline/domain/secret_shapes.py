"""The shapes by which secrets and identities are recognised without being known: a table, each row with its source."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import NamedTuple

_NAMES_KEPT = 16384


class Shape(NamedTuple):
    """What must go wherever `pattern` matches, but for its group `keep`.

    It is tried only where one of `needles` (all lower case) is in the text. Patterns look a bounded way for their end:
    a picture in base64 must not take quadratic time. What they leave never matches again.
    """

    kind: str
    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    source: str

    @property
    def replacement(self) -> str:
        """The template that `pattern.sub` takes."""
        return (r"\g<keep>" if "keep" in self.pattern.groupindex else "") + placeholder(self.kind)


def placeholder(kind: str) -> str:
    """What stands where something of this kind was."""
    return f"[redacted {kind}]"


def _word(literal: str) -> str:
    """A pattern for `literal` where a word begins, which may be right behind an escaped character."""
    return rf"{literal}(?:(?<![\w.%-]{literal})|(?<=\\[nrtbf]{literal})|(?<=%[0-9a-fA-F]{{2}}{literal}))"


_IS = r"""(?:[\\"'\s]{0,6}[:=]|\\{0,3}["'],)[\\"'\s]{0,6}(?:b["'])?"""
"""What stands between a name and its value in JSON, in a header, in Python's output, in an assignment."""

_VALUE = r"(?=[A-Za-z_.~+/=%-]{0,80}\d)[A-Za-z0-9_.~+/=%-]"
"""The characters of a value that is no plain word: it has a digit."""

_COLON = r"(?::|%(?:25)?3a)"
_UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_USER = r"""[^\s/\\"'`:;,()\[\]{}<>|*?&%$#]{1,64}"""

_OWNERS = "api access account auth bearer client id master private refresh secret security session shared subscription"
_OWNED = "|".join(rf"(?<={word}.)|(?<={word}[-_ ].)" for word in _OWNERS.split())
_SECRET_NAME = (
    # It begins with a plain class, for which a search is many times faster than for any of these words.
    r"[kKpPsStT](?i:(?<=p)assw(?:or)?d"
    rf"|(?=ey|ecret|oken)(?:{_OWNED})(?:(?<=k)ey(?:[-_ ]?id)?|(?<=s)ecret|(?<=t)oken))"
)

_OWN = (
    (
        "private-key",
        "-----begin",
        r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:(?:[^-]|-(?!----)){0,20000}-----END [A-Z0-9 ]{0,30}-----|(?:(?:\\+[nr]|\s)+[A-Za-z0-9+/=]{20,})*)",
        "RFC 7468, also cut off",
    ),
    (
        "signature",
        "sig= sig%3d signature= signature%3d credential= token= accesskeyid= accessid=",
        r"(?i)(?P<keep>(?:[?&]|&amp;|\\u0026|%26|%3f)(?:x-amz-(?:signature|credential|security-token)"
        r"|x-goog-(?:signature|credential)|sig|signature|awsaccesskeyid|googleaccessid)(?:=|%3d))[^&\s\"'<>\\\[\]]+",
        "query parameters of AWS SigV4, Google V4 and Azure SAS",
    ),
    ("signature", "signature=", r"(?P<keep>Signature=)[0-9a-f]{64}", "AWS SigV4 in a header"),
    ("anthropic-key", "sk-ant-", r"sk-ant-[A-Za-z0-9_-]{8,}", "Anthropic's API keys and OAuth tokens"),
    ("api-key", "sk-", _word("sk-") + r"(?=[A-Za-z_-]{0,64}\d)[A-Za-z0-9_-]{16,}", "LiteLLM's and OpenAI's keys"),
    ("bedrock-key", "absk bedrock-api-key-", r"(?:ABSK|bedrock-api-key-)[A-Za-z0-9+/]{40,}={0,2}", "Bedrock API keys"),
    (
        "google-key",
        "aiza ya29. gocspx- 1//0",
        r"AIza[\w-]{35}|ya29\.[\w.-]{20,}|GOCSPX-[\w-]{20,}|1//0[\w-]{30,}",
        "Google's API keys, OAuth access tokens, client secrets and refresh tokens",
    ),
    ("github-token", "github_pat_", r"github_pat_\w{22,}", "GitHub's fine-grained tokens"),
    ("npm-token", "npm_", r"npm_[A-Za-z0-9]{36}", "npm's access tokens"),
    ("jwt", "eyj", _word("eyJ") + r"[\w-]{8,4000}\.eyJ[\w-]{8,}(?:\.[\w-]*)?", "RFC 7519"),
    ("credential", "bearer", rf"(?i)(?P<keep>bearer(?:\s|%20|\+)+){_VALUE}{{16,}}", "RFC 6750"),
    (
        "credential",
        "basic",
        r"(?P<keep>[Bb]asic\s+)(?:[A-Za-z0-9+/]{10,}={1,2}|(?=[A-Za-z+/]{0,40}\d)[A-Za-z0-9+/]{20,})",
        "RFC 7617",
    ),
    (
        "credential",
        "authorization cookie",
        rf"(?P<keep>[aAcC](?i:(?:(?<=a)uthorization|(?<=c)ookie){_IS}(?:(?:bearer|basic)\s+)?)){_VALUE}{{8,}}",
        "RFC 9110 and RFC 6265",
    ),
    (
        "credential",
        "key token secret passw",
        rf"(?P<keep>{_SECRET_NAME}{_IS}){_VALUE}{{8,}}",
        "headers and settings of the five providers",
    ),
    (
        "credential",
        "_token= _secret= _key= _password=",
        r"(?P<keep>_(?:TOKEN|SECRET|KEY|PASSWORD)=\\{0,3}[\"']?)[^\s\"'\\$\[<{]{8,}",
        "environment variables",
    ),
    (
        "aws-account",
        "arn:aws arn%",
        rf"(?i)(?P<keep>arn{_COLON}aws[\w-]{{0,12}}(?:{_COLON}[\w-]{{0,40}}){{2}}{_COLON})\d{{12}}(?!\d)",
        "Amazon Resource Names",
    ),
    (
        "aws-account",
        "account",
        r"(?i)(?P<keep>account[ _-]?(?:id|number)?[\\\"'\s:=#(]{1,8})\d{12}(?!\d)",
        "error texts of AWS",
    ),
    ("aws-account", ".dkr.ecr.", r"(?<!\d)\d{12}(?=\.dkr\.ecr\.)", "names of ECR registries"),
    (
        "azure-id",
        "subscription tenant microsoftonline",
        rf"(?i)(?P<keep>(?:subscriptions?|tenants?|microsoftonline\.com)(?:[-_ ]?id)?(?:/|%2f|{_IS})){_UUID}",
        "resource paths of Azure, sign-in addresses of Entra",
    ),
    (
        "google-project",
        "projects/ projects%2f",
        r"(?P<keep>projects(?:/|%2F))[a-z0-9][a-z0-9-]{2,40}(?=/|%2F|[\"'`\\\s:?,)]|$)",
        "resource names of Google Cloud",
    ),
    (
        "google-project",
        "project_ project- projectid projectnumber _project -project",
        rf"(?i)(?P<keep>(?:project[-_]?(?:id|number)|(?:vertex|cloud|user)[-_]project){_IS})[a-z0-9][a-z0-9-]{{4,40}}",
        "settings of Google Cloud",
    ),
    (
        "email",
        "@ %40",
        r"(?P<keep>(?<=\\)[nrtbf]|(?<![\w.%+-]))[A-Za-z0-9._%+-]{1,64}(?:@|%40)"
        r"(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])",
        "RFC 5321; service accounts have one too",
    ),
    ("home", "/home/ /users/", rf"(?:{_word('/home/')}|{_word('/Users/')}){_USER}", "Linux and macOS"),
    ("home", "/root", _word("/root") + r"(?![\w.-])", "Linux"),
    ("home", "%2fhome %2fusers %2froot", rf"%2F(?:(?:home|Users)%2F{_USER}|root(?![\w.-]))", "URL-quoted paths"),
    ("home", ":\\ :/users", rf"[A-Za-z]:(?:\\{{1,8}}|/)Users(?:\\{{1,8}}|/){_USER}", "Windows"),
    ("home", "projects/-", r"(?P<keep>projects/)-(?:(?:home|Users)-[A-Za-z0-9]+|root(?=[-/]))", "the CLI's folders"),
)


@cache
def shapes() -> tuple[Shape, ...]:
    """Our own rows, then the token shapes of detect-secrets.

    Taken from it are the detectors whose tokens begin with something literal. The others (entropy, keywords, Twilio,
    Telegram, Mailchimp and the like) match too much of what is innocent here: digests, tool ids, pictures in base64.
    """
    # Loaded on first use: the library brings an HTTP client with it.
    from detect_secrets.plugins.aws import AWSKeyDetector
    from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
    from detect_secrets.plugins.basic_auth import BasicAuthDetector
    from detect_secrets.plugins.github_token import GitHubTokenDetector
    from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
    from detect_secrets.plugins.pypi_token import PypiTokenDetector
    from detect_secrets.plugins.sendgrid import SendGridDetector
    from detect_secrets.plugins.slack import SlackDetector
    from detect_secrets.plugins.square_oauth import SquareOAuthDetector
    from detect_secrets.plugins.stripe import StripeDetector

    detectors = (
        (AWSKeyDetector(), "akia asia a3t abia acca"),
        (AzureStorageKeyDetector(), "accountkey="),
        (BasicAuthDetector(), "://"),
        (GitHubTokenDetector(), "ghp_ gho_ ghu_ ghs_ ghr_"),
        (GitLabTokenDetector(), "glpat- gldt- glft- glsoat- glrt- gr1348941 glcbt- glimt- glptt- glagent- gloas-"),
        (PypiTokenDetector(), "pypi-age"),
        (SendGridDetector(), "sg."),
        (SlackDetector(), "xox hooks.slack.com"),
        (SquareOAuthDetector(), "sq0csp-"),
        (StripeDetector(), "k_live_"),
    )
    library = [(one.secret_type.lower().replace(" ", "-"), words, _any(one.denylist)) for one, words in detectors]
    table = [*_OWN, *((kind, words, pattern, "detect-secrets") for kind, words, pattern in library)]
    return tuple(
        Shape(kind, tuple(words.split()), re.compile(pattern), source) for kind, words, pattern, source in table
    )


def _any(patterns: Iterable[re.Pattern[str]]) -> str:
    return "|".join(f"(?{'i' if one.flags & re.IGNORECASE else ''}:{one.pattern})" for one in patterns)


_NAMES = (
    (r"(?:proxy-)?authorization|(?:set-)?cookie", "credential", r"[\s\S]{8,}"),
    (
        r".*(?:key[-_]?id|(?:api|access|account|master|private|secret|shared|subscription)[-_]?key|token|secret"
        r"|passw(?:or)?d|credentials?|_auth)",
        "credential",
        r"\S{8,}",
    ),
    (r".*account[-_]?(?:id|number)?", "aws-account", r"\d{12}"),
    (r".*project[-_]?(?:id|number)|.*(?:vertex|cloud|user)[-_]project", "google-project", r"[a-z0-9][a-z0-9-]{4,40}"),
)


def names_a_credential(name: str) -> bool:
    """Whether a variable, header or field of this name holds what must not be kept."""
    return any(kind == "credential" for kind, _ in told_by_name(name))


@lru_cache(_NAMES_KEPT)
def told_by_name(name: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The kinds of what must go from under this name, each with the form that a whole value then has."""
    return tuple((kind, re.compile(value)) for names, kind, value in _NAMES if re.fullmatch(names, name, re.IGNORECASE))
