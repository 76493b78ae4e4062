"""Tables, figures and pages from stored results; no TensorFlow, no database."""

from harness.report import load_matplotlib

load_matplotlib.load()  # before any module of ours imports matplotlib

from harness.report.build import build, headline, stale, terminal_table  # noqa: E402

__all__ = ["build", "headline", "stale", "terminal_table"]
