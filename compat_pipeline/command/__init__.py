"""The `compat` command: the face of the product for people and scripts, thin over the Dagster jobs."""
