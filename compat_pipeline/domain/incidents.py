"""Incidents: what someone has to be told, once. What counts as one, by which key, and its message. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

_LISTED = 20
_LONGEST_TEXT_CHARS = 2800
"""Slack cuts a section's text at 3000 characters."""


@dataclass(frozen=True)
class Incident:
    """Something is wrong from one moment until it is seen to be right again.

    `key` names it for that time: as long as an incident of that key is open, nobody is told again. `cells` are the
    cells that changed, where it is about cells.
    """

    key: str
    title: str
    cells: tuple[str, ...] = ()


def failed_run(job: str, reason: str) -> Incident:
    """The job's last finished run failed. Open until a run of it succeeds, whatever the next ones fail of."""
    return Incident(f"failed:{job}", f"{job} failed: {_one_line(reason)}")


def overdue(asset: str, last: datetime | None, now: datetime, window: timedelta) -> Incident | None:
    """The dead man's switch: `asset` was last made longer ago than `window`. What was never made is not missed."""
    if last is None or now - last <= window:
        return None
    return Incident(f"overdue:{asset}", f"{asset} was last made {last:%Y-%m-%d %H:%M} UTC: nothing runs any more")


def failed_check(asset: str, check: str, title: str, found: Sequence[str]) -> list[Incident]:
    """One incident for each entry that a check found, so that a further one is news while the first is open."""
    return [Incident(f"{asset}:{check}:{entry}", title, (entry,)) for entry in found]


def news(incidents: Iterable[Incident], told: Collection[str]) -> list[Incident]:
    """The incidents nobody was told of (`told`: the keys of the open ones), those of the same title as one."""
    by_title: dict[str, list[Incident]] = {}
    for incident in incidents:
        if incident.key not in told:
            by_title.setdefault(incident.title, []).append(incident)
    return [
        Incident(same[0].key, title, tuple(cell for incident in same for cell in incident.cells))
        for title, same in by_title.items()
    ]


def text(incident: Incident) -> str:
    """The incident for people: its title, then a line for each cell."""
    listed = [f"- {cell}" for cell in incident.cells[:_LISTED]]
    more = len(incident.cells) - len(listed)
    return "\n".join([incident.title, *listed, *([f"- and {more} more"] if more else [])])


def slack_message(incidents: Sequence[Incident]) -> dict[str, Any]:
    """The body of one webhook call in Slack's format: a plain `text`, and a block for each incident."""
    told = [_slack_escaped(text(incident))[:_LONGEST_TEXT_CHARS] for incident in incidents]
    return {
        "text": f"Claude Code compatibility: {_slack_escaped('; '.join(one.title for one in incidents))}",
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": one}} for one in told],
    }


def _slack_escaped(words: str) -> str:
    """Slack's three control characters; unescaped, a name such as `<!here>` would call people."""
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _one_line(words: str) -> str:
    return " ".join(words.split())[:400]
