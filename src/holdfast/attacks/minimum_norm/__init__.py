"""Minimum-norm attacks: the smallest change that succeeds."""
