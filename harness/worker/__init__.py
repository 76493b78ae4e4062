"""The process that trains: TensorFlow lives here, and in what it calls."""
