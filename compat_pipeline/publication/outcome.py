"""What became of an attempt to publish."""

from __future__ import annotations

from dataclasses import dataclass

MATRIX_FILE = "compatibility-matrix.json"
"""Where the document is in a docs repository that does not say otherwise."""


@dataclass(frozen=True)
class Publication:
    """`sha` of the commit that was made, None when there is none; `reason` says why or why not.

    `diff` is a unified diff. `link` leads to the commit or pull request; empty where there is no page to look at.
    `refused`: it should have been published, and was not.
    """

    sha: str | None
    reason: str
    diff: str = ""
    link: str = ""
    refused: bool = False
