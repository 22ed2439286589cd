"""Sets that move pixels."""
