"""The folder that everything is written to."""

import os
from functools import cached_property

import dagster as dg

from compat_pipeline.domain.acknowledged import Acknowledgement
from compat_pipeline.domain.manifest import Manifest
from compat_pipeline.ground.acknowledged_file import load_acknowledged
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.ground.manifest_file import load_manifest, planned_rows
from compat_pipeline.ground.shelf import cache_days
from compat_pipeline.history.store import History
from compat_pipeline.wire.evidence import EvidenceStore, days_kept


class Home(dg.ConfigurableResource):
    """`COMPAT_HOME` and the manifest in force, both from the environment."""

    @cached_property
    def paths(self) -> CompatHome:
        return CompatHome.from_env()

    @cached_property
    def manifest(self) -> Manifest:
        """Every row there is."""
        return load_manifest()

    @cached_property
    def planned(self) -> Manifest:
        """The rows of the matrix that is written: those of the set named by `COMPAT_FEATURES`."""
        return planned_rows(self.manifest)

    @cached_property
    def history(self) -> History:
        """The observations of every run: those of the database that `COMPAT_HISTORY_URL` names, else of a file."""
        return History(os.environ.get("COMPAT_HISTORY_URL") or self.paths.history)

    @cached_property
    def evidence(self) -> EvidenceStore:
        """What each observation was made from."""
        return EvidenceStore(self.paths.evidence)

    @cached_property
    def evidence_days(self) -> float:
        """For how many days evidence is kept."""
        return days_kept()

    @cached_property
    def cache_days(self) -> float:
        """For how many days a download that nobody uses is kept."""
        return cache_days()

    @cached_property
    def acknowledged(self) -> tuple[Acknowledgement, ...]:
        """The known reds."""
        return load_acknowledged()

    def refuse_wrong_settings(self) -> None:
        """Raise CompatError for what otherwise only the end of a run would notice, when its cells are paid for."""
        _ = self.evidence_days, self.cache_days, self.history, self.acknowledged
