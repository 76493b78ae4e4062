"""Models that a study trains: networks, losses, their training as one compiled loop, checkpoints (TensorFlow)."""
