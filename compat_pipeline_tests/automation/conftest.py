"""The instance, the home and the scripted runner of the assets' tests."""

from __future__ import annotations

from compat_pipeline_tests.assets.conftest import instance, resources

__all__ = ["instance", "resources"]
