"""Compare learning-rate schedules for image generators, with evidence."""

__version__ = "0.1.0"
