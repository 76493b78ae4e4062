"""What speaks against an answer before any run is looked at: the sentences that the study was given when it was made.

A study of an earlier version was given none: they are made here, from its study.json.
"""

from __future__ import annotations

from harness.results.document import Document

FEW = 1000  # real images below which a floor is noise


def warnings(study: Document) -> list[str]:
    """The cautions of a study, each once: its own, or for one of an earlier version those that its facts call for."""
    given = study.warnings if study.warnings is not None else [*of_study(study), *blind(study)]
    return list(dict.fromkeys(given))


def of_study(study: Document) -> list[str]:
    """Short sentences, one per caution; empty where nothing speaks against the study."""
    batch, images, generated = study.spec.train.batch, study.data.train, study.spec.evaluate.generated
    sentences = []
    if len(study.schedules) == 1:
        sentences.append(f"Only one schedule, {study.schedules[0]}: there is nothing to compare it with.")
    if batch > images:
        sentences.append(f"A batch of {batch:,} is larger than the training data, {images:,} images.")
    if generated is not None:
        sentences += _floor(study, generated) + _rank(study, generated)
    return sentences


def _floor(study: Document, generated: int) -> list[str]:
    on_training = study.spec.evaluate.reference == "held_out"  # the floor is of the split that is not the reference
    count, split = (study.data.train, "training") if on_training else (study.data.held_out, "held-out")
    if count >= max(generated, FEW):
        return []
    return [
        f"The floor rests on {count:,} {split} images, the scores on {generated:,} generated ones: a Fréchet distance of "
        "few images is too high."
    ]


def _rank(study: Document, generated: int) -> list[str]:
    dimensions = study.features.dimensions
    if generated >= dimensions:
        return []
    return [
        f"Fewer generated images ({generated:,}) than feature dimensions ({dimensions:,}): their covariance has not full "
        "rank, and Fréchet distances are too high."
    ]


def blind(study: Document) -> list[str]:
    """A sentence naming the damage that the score does not see; empty if it sees all of it, or was not asked."""
    unseen = [row.damage for row in study.sanity if not row.seen]
    return [f"The score does not see: {'; '.join(unseen)}."] if unseen else []
