"""What a study leaves behind: records, tidy tables on disk, and reading them back."""

from harness.results.record import CurvePoint, RunRecord
from harness.results.tables import Results, ResultsError, frames, load, write

__all__ = ["CurvePoint", "Results", "ResultsError", "RunRecord", "frames", "load", "write"]
