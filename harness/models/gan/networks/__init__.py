"""Pairs of generator and discriminator, one per file."""
