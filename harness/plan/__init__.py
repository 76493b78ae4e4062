"""The plan: which runs a study consists of, a pure function of the study and of what ended so far."""
