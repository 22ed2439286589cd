"""Parts of the re-check of a claim, each of one kind of statement."""
