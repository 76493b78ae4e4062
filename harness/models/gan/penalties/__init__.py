"""Penalties on the discriminator's slopes, one per file."""
