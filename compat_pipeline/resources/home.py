"""The folder that everything is written to."""

from functools import cached_property

import dagster as dg

from compat_pipeline.domain.manifest import Manifest
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.history.store import History


class Home(dg.ConfigurableResource):
    """`COMPAT_HOME` and the manifest in force, both from the environment."""

    @cached_property
    def paths(self) -> CompatHome:
        return CompatHome.from_env()

    @cached_property
    def manifest(self) -> Manifest:
        return load_manifest()

    @cached_property
    def history(self) -> History:
        """The observations of every run."""
        return History(self.paths.history)
