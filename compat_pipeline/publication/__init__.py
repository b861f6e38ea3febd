"""Publishing the matrix to a docs repository: exactly one file, and only when something changed."""
