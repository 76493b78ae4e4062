"""The words of a verdict, in one place: what is said of a schedule against the baseline."""

BETTER, WORSE, EQUIVALENT, UNDECIDED, DESCRIPTIVE = (
    "better",
    "worse",
    "equivalent",
    "undecided",
    "descriptive only",
)
