"""What is kept for some days only: evidence, logs, and downloads that nobody uses any more."""

import logging

from compat_pipeline.claude.binary import cli_shelf
from compat_pipeline.claude.npm import forget_answers
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.shelf import forget_unused
from compat_pipeline.proxy.checkout import checkout_shelf
from compat_pipeline.proxy.folder import forget_logs
from compat_pipeline.proxy.venv import venv_shelf
from compat_pipeline.resources.home import Home

progress = logging.getLogger("compat_pipeline.progress")
"""What a run tells people while it goes on."""


def tidy_up(home: Home) -> None:
    """Remove what is older than it is to be kept. What cannot be removed is told: it takes nothing from a run."""
    try:
        if bundles := home.evidence.prune(home.evidence_days):
            progress.info("%d bundle(s) of evidence older than %g days removed", bundles, home.evidence_days)
        forget_logs(home.paths, home.evidence_days)
        cache, days = home.paths.cache, home.cache_days
        forget_answers(cache, days)
        for shelf in (cli_shelf(cache), venv_shelf(cache), checkout_shelf(cache)):
            for name in forget_unused(shelf, days):
                progress.info("%s removed: nobody has used it for %g days", shelf / name, days)
    except (CompatError, OSError) as error:
        progress.warning("cannot remove what is kept no longer: %s", error)
