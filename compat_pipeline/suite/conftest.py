"""Lets an author run one file under plain pytest; the rules are in `plugin.py`."""

pytest_plugins = ["compat_pipeline.suite.plugin"]
