"""Augmentations of what the discriminator sees, one per file."""
