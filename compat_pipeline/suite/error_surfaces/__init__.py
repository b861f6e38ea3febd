"""What errors look like: a user learns what is wrong, and whose fault it is."""
