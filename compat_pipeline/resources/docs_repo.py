"""The repository whose site renders the matrix."""

import os
from pathlib import Path

import dagster as dg

from compat_pipeline.ground.home import CompatHome
from compat_pipeline.publication.local_git import Publication, latest, publish


class DocsRepo(dg.ConfigurableResource):
    """A local git repository: `COMPAT_DOCS_REPO`, by default one under COMPAT_HOME that is made on first use."""

    @property
    def path(self) -> Path:
        return Path(os.environ.get("COMPAT_DOCS_REPO") or CompatHome.from_env().docs_repo)

    def published(self) -> str | None:
        """The document as it stands, None when nothing was ever published."""
        return latest(self.path)

    def publish(self, document: str, message: str) -> Publication:
        """Commit the document if a commit is due.

        A repository of the user's own gets an emulated matrix only if COMPAT_PUBLISH asks for it by name: readers of
        a docs site would take it for the clouds'.
        """
        emulated = CompatHome.from_env().upstream == "emulated"
        if emulated and os.environ.get("COMPAT_DOCS_REPO") and os.environ.get("COMPAT_PUBLISH") != "emulated":
            reason = "refused: the providers were emulated; set COMPAT_PUBLISH=emulated to publish that nevertheless"
            return Publication(sha=None, reason=reason, diff="")
        return publish(self.path, document, message=message)
