"""An evaluation from arguments to outcome: preparation, cascade, stages, progress."""
