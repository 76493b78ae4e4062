"""Networks, losses, the trainer and checkpoints (TensorFlow)."""
