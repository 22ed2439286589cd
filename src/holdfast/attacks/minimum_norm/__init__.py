"""Attacks that search the smallest change that succeeds."""
