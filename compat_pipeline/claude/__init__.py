"""Claude Code: find and verify a version, drive it headless, read what it says."""
