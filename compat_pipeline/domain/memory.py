"""What a sensor remembers between its ticks: a small document that Dagster keeps as its cursor. Pure."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

_Memory = TypeVar("_Memory", bound="SensorMemory")


class SensorMemory(BaseModel):
    """Every field has a default: the memory of a sensor that never ran."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def parse(cls: type[_Memory], cursor: str | None) -> _Memory:
        """What `dump` wrote; a cursor that is none, or was edited, starts anew."""
        try:
            return cls.model_validate_json(cursor or "{}")
        except ValidationError:
            return cls()

    def dump(self) -> str:
        """The cursor."""
        return self.model_dump_json()
