"""Incidents: what someone has to be told, once. What counts as one, by which key, and its message. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from compat_pipeline.domain.memory import SensorMemory

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


def refused(asset: str, reason: str) -> Incident:
    """What was due could not be published. Open until something can be, whatever the next refusals say."""
    return Incident(f"refused:{asset}", f"{asset}: {_one_line(reason)}")


def overdue(asset: str, last: datetime | None, now: datetime, window: timedelta) -> Incident | None:
    """The dead man's switch: `asset` was last made longer ago than `window`. What was never made is not missed."""
    if last is None or now - last <= window:
        return None
    return Incident(f"overdue:{asset}", f"{asset} was last made {last:%Y-%m-%d %H:%M} UTC: nothing runs any more")


def failed_check(asset: str, check: str, title: str, found: Sequence[str]) -> list[Incident]:
    """One incident for each entry that a check found, so that a further one is news while the first is open."""
    return [Incident(f"{asset}:{check}:{entry}", title, (entry,)) for entry in found]


class Log(SensorMemory):
    """What people know: the keys of the open incidents they were told of, and what waits to be told.

    Where it starts anew, open incidents are told again: better twice than never.
    """

    told: tuple[str, ...] = ()
    waiting: tuple[Incident, ...] = ()

    def seen(self, found: Iterable[Incident]) -> Log:
        """With what is wrong now. What is new waits, even if it comes right before anybody could be told."""
        now = {incident.key: incident for incident in found}
        known = {*self.told, *(incident.key for incident in self.waiting)}
        fresh = (incident for key, incident in now.items() if key not in known)
        return Log(told=tuple(key for key in self.told if key in now), waiting=(*self.waiting, *fresh))

    @classmethod
    def all_told(cls, found: Iterable[Incident]) -> Log:
        """After everything that waited was told: `found` is open, and known."""
        return cls(told=tuple(sorted({incident.key for incident in found})))


def by_title(incidents: Iterable[Incident]) -> list[Incident]:
    """Those of the same title as one."""
    titles: dict[str, list[Incident]] = {}
    for incident in incidents:
        titles.setdefault(incident.title, []).append(incident)
    return [
        Incident(same[0].key, title, tuple(cell for incident in same for cell in incident.cells))
        for title, same in titles.items()
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
