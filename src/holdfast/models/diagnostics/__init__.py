"""Diagnostics of single habits of a model, which `holdfast.models.inspect` puts together."""
