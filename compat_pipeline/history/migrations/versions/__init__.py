"""The revisions, numbered; each stands on its own and is never changed once released."""
