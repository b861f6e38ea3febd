"""Configurable Dagster resources, one per outside system. They hold configuration; the rooms below do the work."""
