"""The migrations of the history, in the form that Alembic finds and runs them."""
