"""Telling people of incidents: a chat's webhook, and the log."""

import logging
import os

import dagster as dg
import httpx

from compat_pipeline.domain.incidents import Incident, slack_message, text
from compat_pipeline.ground.errors import CompatError

WEBHOOK = "COMPAT_ALERT_WEBHOOK"
_PATIENCE_S = 10.0

log = logging.getLogger(__name__)
# The address of a webhook is all it takes to post there, and httpx logs each address it calls.
logging.getLogger("httpx").setLevel(logging.WARNING)


class Alerts(dg.ConfigurableResource):
    """A webhook in Slack's format, named by COMPAT_ALERT_WEBHOOK; without it, incidents are logged and no more."""

    def tell(self, incidents: list[Incident]) -> None:
        """Post all of `incidents` as one message, then log each.

        Raises CompatError, without the webhook's address, when it did not take the message; nothing is logged then.
        """
        if address := os.environ.get(WEBHOOK):
            _post(address, incidents)
        for incident in incidents:
            log.error("%s", text(incident))


def _post(address: str, incidents: list[Incident]) -> None:
    try:
        answer = httpx.post(address, json=slack_message(incidents), timeout=_PATIENCE_S)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:  # their texts can quote the address
        raise CompatError(
            f"the alert webhook could not be reached ({type(error).__name__})", f"check {WEBHOOK}"
        ) from None
    if not answer.is_success:
        raise CompatError(f"the alert webhook answered {answer.status_code}", f"check {WEBHOOK}")
