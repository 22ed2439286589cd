"""Attacks that follow the gradient inside a set of fixed size."""
