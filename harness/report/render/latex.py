"""Tables for a paper: booktabs, everything escaped, caption and label ready to be used."""

from __future__ import annotations

import re

from harness.report.tables import Cell, Table

_CHARACTERS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # after the end of a row it would begin an option
    "∞": r"$\infty$",
    "–": "--",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
}


def render(shown: Table, *, label: str) -> str:
    """The tabular, with the lines of a table environment around it as comments, so that \\input works in one too.

    It needs \\usepackage{booktabs}, and XeLaTeX or LuaLaTeX for non-Latin names.
    """
    heads = " & ".join(escaped(name) for name in shown.heads)
    form = "".join("l" if left else "r" for left in shown.left)
    rows = [
        " & ".join(_cell(cell, bold=(index, column) == shown.bold) for column, cell in enumerate(row)) + r" \\"
        for index, row in enumerate(shown.rows)
    ]
    return "\n".join(
        [
            rf"% all columns: {shown.source}; needs \usepackage{{booktabs}}",
            r"% \begin{table}[t]\centering",
            rf"% \caption{{{escaped(shown.caption)}.}}\label{{tab:{_key(label)}}}",
            rf"\begin{{tabular}}{{{form}}}",
            r"\toprule",
            heads + r" \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"% \end{table}",
            "",
        ]
    )


def _cell(cell: Cell, *, bold: bool) -> str:
    text = escaped(cell.text)
    return rf"\textbf{{{text}}}" if bold else text


def _key(text: str) -> str:
    """What a label may hold."""
    return re.sub(r"[^A-Za-z0-9:-]+", "-", text)


def escaped(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(
        _CHARACTERS.get(character, f"\\{character}" if character in "&%$#_{}" else character)
        for character in _line(text)
    )


def _line(text: str) -> str:
    """Text on one line, so that a comment stays a comment."""
    return " ".join(text.split())
