"""Does the same study say the same again? `python -m benchmarks.replication`: one study, whole, from eight study seeds.

Once with one tuning and many confirmation seeds, once with the whole tuning repeated, at equal numbers of runs. Trains what
is missing, which takes hours, and writes tables, a page and a picture to results/replication/.
"""
