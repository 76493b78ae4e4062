"""Where runs are trained: worker processes of this machine, or tasks of a Ray cluster."""
