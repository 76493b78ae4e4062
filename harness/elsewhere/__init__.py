"""Runs that were trained elsewhere: from a table of theirs to the verdicts, page and tables that a study of ours has."""

from harness.elsewhere.comparison import Comparison, compare
from harness.elsewhere.question import Question
from harness.elsewhere.table import TableError

__all__ = ["Comparison", "Question", "TableError", "compare"]
