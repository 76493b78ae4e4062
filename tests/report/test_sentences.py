"""The sentences of a report say what the table of verdicts says."""

import numpy as np
import pandas as pd

from harness import stats
from harness.report import sentences
from tests.stats.test_contrasts import runs


def test_the_headline_names_every_verdict_once():
    base = [10.0 + 0.1 * i for i in range(8)]
    noise = list(np.random.default_rng(0).normal(10, 2, 8))
    lower, higher = [x - 1 - 0.01 * i for i, x in enumerate(base)], [x + 1 + 0.01 * i for i, x in enumerate(base)]
    table = stats.contrasts(runs(constant=base, linear=lower, rex=lower, cosine=noise, step=higher), score="fid")
    assert (
        sentences.headline(table)
        == "Better than constant: linear and rex. Worse than constant: step. Undecided: cosine."
    )
    few = stats.contrasts(runs(constant=[1.0, 2.0], linear=[2.0, 3.0]), score="fid")
    assert sentences.headline(few) == "Too few seeds for a verdict: linear."


def test_the_sentences_say_what_the_table_says():
    base = [10.0 + 0.1 * i for i in range(8)]
    frame = runs(
        constant=base,
        linear=[x - 1 - 0.01 * i for i, x in enumerate(base)],
        cosine=[*list(np.random.default_rng(0).normal(10, 2, 7)), None],
    )
    table = stats.contrasts(frame, score="fid")
    text = " ".join(sentences.sentences(table, score_title="FID"))
    assert text.startswith("Linear was better than constant (mean difference in FID −1.035, interval −1.055 to −1.015")
    assert "cosine differs from constant is undecided" in text
    assert "diverged: 1 of its runs, 0 of constant" in text
    assert "8 pairs of runs" in sentences.basis(table)


def test_of_one_schedule_there_is_nothing_to_say():
    table = stats.contrasts(runs(constant=[1.0] * 8), score="fid")
    assert "nothing to compare" in sentences.headline(table)
    assert sentences.sentences(table, score_title="FID") == []


def test_energy_is_that_of_every_step_once_and_says_of_how_many_runs_it_is():
    frame = pd.DataFrame({"device": ["CPU (x86_64)", "A100", "A100"]})
    assert sentences.energy(frame) == ""
    frame["joules_processor"], frame["shared_joules_processor"] = [3.6e6, 1.8e6, 1.8e6], [None, None, 0.9e6]
    assert sentences.energy(frame) == "1.75 kWh of the processor packages"
    frame["joules_gpu"] = [None, 7.2e6, 3.6e6]
    assert sentences.energy(frame) == "1.75 kWh of the processor packages and 3.00 kWh of the GPUs"
    frame.loc[2, ["joules_processor", "joules_gpu"]] = None
    frame["shared_joules_processor"] = None
    assert sentences.energy(frame) == (
        "1.50 kWh of the processor packages (of 2 of 3 runs) and 2.00 kWh of the GPUs (of 1 of 2 runs)"
    )


def test_steps_that_were_trained_once_are_counted_in_one_sentence():
    frame = pd.DataFrame({"last_step": [2000, 1000], "shared_steps": [0, 600], "shared_seconds": [0.0, 7200.0]})
    said = "600 steps of 3,000 were those of an earlier run, too, bit for bit, and were not trained again: 2 worker-hours saved"
    assert sentences.shared(frame).startswith(said)
    assert sentences.shared(frame.assign(shared_steps=0)) == ""
