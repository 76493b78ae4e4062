"""Generative adversarial networks: pairs of networks, losses, the adversarial step."""
