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
        """Commit the document if a commit is due."""
        return publish(self.path, document, message=message)
