"""Tables for a paper: booktabs, everything escaped."""

from __future__ import annotations

from harness.report.present import Table

_MARKS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "∞": r"$\infty$",
    "–": "--",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
}


def render(shown: Table) -> str:
    """The tabular with its caption; it needs \\usepackage{booktabs}, and XeLaTeX or LuaLaTeX for non-Latin names."""
    heads = " & ".join(escaped(name) for name in shown.heads)
    rows = [" & ".join(escaped(cell.text) for cell in row) + r" \\" for row in shown.rows]
    return "\n".join(
        [
            rf"% {_line(shown.caption)}; all columns: {shown.source}; needs \usepackage{{booktabs}}",
            rf"\begin{{tabular}}{{l{'r' * (len(shown.heads) - 1)}}}",
            r"\toprule",
            heads + r" \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def escaped(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_MARKS.get(mark, f"\\{mark}" if mark in "&%$#_{}" else mark) for mark in _line(text))


def _line(text: str) -> str:
    """Text on one line, so that a comment stays a comment."""
    return " ".join(text.split())
