"""The process that conducts a study: database, folder, progress. It never loads TensorFlow."""
