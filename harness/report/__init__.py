"""Tables, figures and pages from stored results; no TensorFlow, no database."""

from harness.report.build import build, headline, stale, terminal_table

__all__ = ["build", "headline", "stale", "terminal_table"]
