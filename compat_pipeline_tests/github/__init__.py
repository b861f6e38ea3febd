"""A stand-in for GitHub's REST API, and what is tested against it alone."""
