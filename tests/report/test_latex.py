"""The tables for a paper: what they hold, and that LaTeX can read them."""

import re

from harness import report
from tests.report.example import results


def rows_of(path):
    tex = path.read_text(encoding="utf-8")
    assert not re.search(r"(?<!\\)[_&#]|(?<![\\\n])%", "\n" + tex.replace(" & ", "")), path.name
    return tex, [line for line in tex.splitlines() if line.endswith(r" \\")]


def test_a_papers_column_holds_mean_and_sd_difference_and_verdict_and_the_wide_table_lies_beside(tmp_path):
    folder = results(tmp_path)
    report.build(folder)
    tex, rows = rows_of(folder / "latex" / "verdicts.tex")
    assert r"\begin{tabular}{lrrl}" in tex  # text to the left, numbers to the right
    assert [line.count(" & ") for line in rows] == [3, 3, 3, 3]
    assert max(len(line.replace(r"\textbf", "").replace(r"$\pm$", "±")) for line in rows) < 55  # a column of 3.4 inches
    assert rows[0] == r"schedule & mean $\pm$ sd & difference & verdict \\"
    assert rows[1].endswith(r" & -- & (baseline) \\")
    assert re.fullmatch(r"linear & \\textbf\{\d\.\d\d \$\\pm\$ \d\.\d\d\} & \$-\$0\.83 & better \\\\", rows[2])
    assert tex.count(r"\textbf") == 1  # the best mean
    for line in (r"% \begin{table}[t]\centering", r"\label{tab:example-verdicts}", r"\toprule", r"% \end{table}"):
        assert line in tex
    wide, rows = rows_of(folder / "latex" / "verdicts_wide.tex")
    assert [line.count(" & ") for line in rows] == [13, 13, 13]
    assert r"95 \% interval" in wide
    assert r"$-$1.09 to $-$0.57" in wide
    assert {path.stem for path in (folder / "latex").iterdir()} == {
        *("verdicts", "verdicts_wide", "other_verdicts", "other_verdicts_wide"),
        *("levels", "claims", "interactions", "settings"),
    }
    assert "| linear" in (folder / "report.md").read_text(encoding="utf-8")
