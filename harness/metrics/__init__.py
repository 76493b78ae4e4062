"""Scores of images: features to numbers (NumPy, SciPy), and images to features (TensorFlow, loaded on demand)."""
