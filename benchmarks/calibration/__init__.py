"""How often our verdicts, and the usual ways to compare, are wrong: `python -m benchmarks.calibration`.

Draws studies whose truth is known, from simulated worlds and from tables in which every run of a search was trained many
times, and judges each by `harness.stats.sequential.judge`, the function behind every report. Writes tables to
results/calibration/ and the README there, which follows from them.
"""
