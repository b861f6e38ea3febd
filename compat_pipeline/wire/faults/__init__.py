"""Named ways to break the wire between the recorder and the proxy, each as a real bug did."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from compat_pipeline.domain.cell import AT_ONCE
from compat_pipeline.wire.faults.answers import CONTENT_FAULTS
from compat_pipeline.wire.faults.counts import COUNT_FAULTS
from compat_pipeline.wire.faults.fault import Answer, Asked, Fault, side_by_side
from compat_pipeline.wire.faults.refusals import REFUSALS
from compat_pipeline.wire.faults.requests import REQUEST_FAULTS
from compat_pipeline.wire.faults.streams import STREAM_FAULTS
from compat_pipeline.wire.faults.tools import TOOL_FAULTS

FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        fault.name: fault
        for group in (REQUEST_FAULTS, TOOL_FAULTS, REFUSALS, CONTENT_FAULTS, STREAM_FAULTS, COUNT_FAULTS)
        for fault in group
    }
)
"""The catalogue, by name."""


def fault_called(name: str) -> Fault:
    """The fault of that name, or all those that it joins by `+`, at once; KeyError for one that is not there."""
    faults = [FAULTS[one] for one in name.split(AT_ONCE)]
    return faults[0] if len(faults) == 1 else Fault.at_once(faults)


__all__ = ["FAULTS", "Answer", "Asked", "Fault", "fault_called", "side_by_side"]
