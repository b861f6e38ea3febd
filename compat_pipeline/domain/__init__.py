"""The rules: cells, observations, verdicts, matrices, versions. Pure: no Dagster, no network, no clock, no files."""
