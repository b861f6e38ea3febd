"""Vision: a picture in the prompt."""
