"""Who may call Bedrock: a Signature Version 4 that we recompute, or a bearer token (rule A1)."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from compat_pipeline.emulator.contract import AuthKind, Incoming, Refused
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.emulator.wire_anthropic import bearer_of, same

_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, ?"
    r"SignedHeaders=(?P<headers>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


def authenticate(incoming: Incoming, credentials: EmulatorCredentials) -> AuthKind:
    """How the caller is known; raise Refused unless the request is signed with our key, or carries our bearer token."""
    if token := bearer_of(incoming):
        if not same(token, credentials.aws_bearer_token):
            message = "Authentication failed: Please make sure your API Key is valid."
            raise Refused("authentication", message, type="AccessDeniedException")
        return "bearer"
    header = incoming.headers.get("authorization")
    if header is None:
        raise Refused("authentication", "Missing Authentication Token", type="MissingAuthenticationTokenException")
    signed = _SIGNED.fullmatch(header)
    if signed is None:
        message = "Authorization header is not a Signature Version 4."
        raise Refused("authentication", message, type="IncompleteSignatureException")
    if signed["key"] != credentials.aws_access_key_id:
        raise Refused("authentication")
    if not same(signed["signature"], _signature(incoming, signed, credentials)):
        message = (
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details."
        )
        raise Refused("authentication", message, type="InvalidSignatureException")
    return "signed"


def _signature(incoming: Incoming, signed: re.Match[str], credentials: EmulatorCredentials) -> str:
    """The signature botocore gives this request under our key, for our service and region."""
    url = urlsplit(f"http://{incoming.headers.get('host', '')}{incoming.target}")
    request = AWSRequest(method=incoming.method, url=url.geturl(), data=incoming.body)
    for name in signed["headers"].split(";"):
        request.headers[name] = incoming.headers.get(name, "")
    request.context["timestamp"] = incoming.headers.get("x-amz-date", "")
    signer = SigV4Auth(
        Credentials(credentials.aws_access_key_id, credentials.aws_secret_access_key), "bedrock", credentials.aws_region
    )
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return str(signer.signature(text, request))
