"""The words of a verdict, in one place: what is said of a schedule against the baseline."""

BETTER, WORSE, EQUIVALENT, UNDECIDED, DESCRIPTIVE = (
    "better",
    "worse",
    "equivalent",
    "undecided",
    "descriptive only",
)
CLAIMS = (BETTER, WORSE)  # that there is a difference
DECIDED = (*CLAIMS, EQUIVALENT)
OPEN = (UNDECIDED, DESCRIPTIVE)  # what decides nothing, and goes on to the next look
