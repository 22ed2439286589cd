"""Attacks that see logits and no gradients."""
