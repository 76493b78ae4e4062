"""Feature networks of a user's own: files that are read as data, and the training of the compact ones."""
