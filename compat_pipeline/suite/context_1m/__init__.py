"""1M context: a window of a million tokens instead of 200,000."""
