"""Balls in a norm around each input, one norm a file."""
