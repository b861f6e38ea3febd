"""The observation store: every observation ever made, appended and never changed."""
