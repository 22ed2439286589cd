"""One change for all inputs, and its application."""
