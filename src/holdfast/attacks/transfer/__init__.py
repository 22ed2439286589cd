"""Gradient attacks whose examples transfer from one network to another."""
