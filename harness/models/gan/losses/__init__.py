"""Adversarial losses, one per file."""
