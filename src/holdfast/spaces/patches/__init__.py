"""Sets that change a part of the image."""
