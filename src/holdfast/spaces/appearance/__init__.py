"""Sets that change colors, blur or noise as cameras and weather do."""
