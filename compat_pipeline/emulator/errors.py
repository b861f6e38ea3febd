"""How each provider words a refusal: status, error type and message, as data."""

from __future__ import annotations

import json
import secrets
import string
from dataclasses import dataclass

from compat_pipeline.emulator.contract import ErrorKind, Json, Provider, Refused, Reply


@dataclass(frozen=True)
class ErrorText:
    """`type` is Anthropic's error type, AWS's exception, Google's status, or Azure's code."""

    status: int
    type: str
    message: str = ""


_ANTHROPIC: dict[ErrorKind, ErrorText] = {
    "invalid_request": ErrorText(400, "invalid_request_error"),
    "authentication": ErrorText(401, "authentication_error", "invalid x-api-key"),
    "not_found": ErrorText(404, "not_found_error", "model: {model}"),
    "rate_limited": ErrorText(
        429, "rate_limit_error", "This request would exceed the rate limit for your organization of input tokens."
    ),
    "overloaded": ErrorText(529, "overloaded_error", "Overloaded"),
    "account": ErrorText(
        400,
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or "
        "purchase credits.",
    ),
    "server_error": ErrorText(500, "api_error", "Internal server error"),
}

_BEDROCK: dict[ErrorKind, ErrorText] = {
    "invalid_request": ErrorText(400, "ValidationException"),
    "authentication": ErrorText(
        403, "UnrecognizedClientException", "The security token included in the request is invalid."
    ),
    "not_found": ErrorText(
        404, "ResourceNotFoundException", "Model not found: {model}. Check the model id and the region."
    ),
    "rate_limited": ErrorText(429, "ThrottlingException", "Too many requests, please wait before trying again."),
    "overloaded": ErrorText(503, "ServiceUnavailableException", "Bedrock is unable to process your request."),
    "account": ErrorText(
        403,
        "AccessDeniedException",
        "Model access is denied due to INVALID_PAYMENT_INSTRUMENT: A valid payment instrument must be provided.",
    ),
    "server_error": ErrorText(
        500,
        "InternalServerException",
        "The system encountered an unexpected error during processing. Try your request again.",
    ),
}

_VERTEX: dict[ErrorKind, ErrorText] = {
    "invalid_request": _ANTHROPIC["invalid_request"],
    "authentication": ErrorText(
        401,
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential.",
    ),
    "not_found": ErrorText(
        404,
        "NOT_FOUND",
        "Publisher Model `{model}` was not found or your project does not have access to it. Please ensure you are "
        "using a valid model version.",
    ),
    "rate_limited": ErrorText(
        429,
        "RESOURCE_EXHAUSTED",
        "Quota exceeded for aiplatform.googleapis.com/online_prediction_requests_per_base_model with base model: "
        "{model}.",
    ),
    "overloaded": _ANTHROPIC["overloaded"],
    "account": ErrorText(403, "PERMISSION_DENIED", "This API method requires billing to be enabled on the project."),
    "server_error": ErrorText(500, "INTERNAL", "Internal error encountered."),
}

_AZURE: dict[ErrorKind, ErrorText] = {
    **_ANTHROPIC,
    "authentication": ErrorText(
        401,
        "401",
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
        "active subscription and use a correct regional API endpoint for your resource.",
    ),
    "not_found": ErrorText(
        404,
        "DeploymentNotFound",
        "The API deployment for this resource does not exist. If you created the deployment within the last 5 "
        "minutes, please wait a moment and try again.",
    ),
    "rate_limited": ErrorText(
        429, "RateLimitReached", "Your requests have exceeded the rate limit of this deployment."
    ),
    "account": ErrorText(403, "SubscriptionDisabled", "The subscription of this resource is disabled."),
}

ERRORS: dict[Provider, dict[ErrorKind, ErrorText]] = {
    "anthropic": _ANTHROPIC,
    "azure": _AZURE,
    "bedrock_invoke": _BEDROCK,
    "bedrock_converse": _BEDROCK,
    "vertex_ai": _VERTEX,
}


def error_text(provider: Provider, refused: Refused, model: str) -> ErrorText:
    """The provider's own words for `refused`; a message of the refusal's own comes first."""
    text = ERRORS[provider][refused.kind]
    return ErrorText(text.status, refused.type or text.type, refused.message or text.message.replace("{model}", model))


def error_reply(provider: Provider, refused: Refused, model: str) -> Reply:
    """The refusal as that provider sends it."""
    text = error_text(provider, refused, model)
    headers = {} if refused.retry_after_s is None else {"retry-after": str(refused.retry_after_s)}
    if provider.startswith("bedrock"):
        headers["x-amzn-errortype"] = text.type
    return Reply(text.status, "application/json", json.dumps(_body(provider, text)).encode(), headers)


def _body(provider: Provider, text: ErrorText) -> Json:
    if provider.startswith("bedrock"):
        return {"message": text.message}
    if text.type.endswith("_error"):  # the model's own words, in Anthropic's form
        return anthropic_error(text, "req_vrtx_" if provider == "vertex_ai" else "req_")
    if provider == "vertex_ai":
        return {"error": {"code": text.status, "message": text.message, "status": text.type}}
    return {"error": {"code": text.type, "message": text.message}}


_ID_LETTERS = string.ascii_letters  # digits could by chance read as a status, which LiteLLM looks for in such texts


def anthropic_error(text: ErrorText, id_prefix: str = "req_") -> Json:
    """Anthropic's error body; also the data of an `error` event."""
    return {
        "type": "error",
        "error": {"type": text.type, "message": text.message},
        "request_id": id_prefix + "011C" + "".join(secrets.choice(_ID_LETTERS) for _ in range(20)),
    }
