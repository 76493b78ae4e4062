"""Denoising diffusion GANs: the diffusion, the adversarial step along it, and networks that see the time."""
