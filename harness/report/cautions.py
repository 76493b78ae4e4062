"""What speaks against an answer before any run is looked at: the sentences that the study was given when it was made.

A study of an earlier version was given none: they are made here, from its study.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FEW = 1000  # real images below which a floor is noise


@dataclass(frozen=True)
class Damage:
    """Real images degraded in a known way, their score, the floor beside it, and whether the score tells the two apart."""

    damage: str
    value: float
    floor: float
    seen: bool


def warnings(document: Mapping[str, Any]) -> list[str]:
    """The cautions of a study document, each once: its own, or for one of an earlier version those of `of_study`."""
    said = told(document) if "warnings" in document else [*of_study(document), *blind(document)]
    return list(dict.fromkeys(said))


def of_study(document: Mapping[str, Any]) -> list[str]:
    """Short sentences, one per caution, of a study document (study.json); empty where nothing speaks against it."""
    spec = document["spec"]
    evaluate = spec.get("evaluate")
    generated = evaluate.get("generated") if isinstance(evaluate, Mapping) else None
    batch, images = int(spec["train"]["batch"]), int(document["data"]["train"])
    found = []
    if len(document["schedules"]) == 1:
        found.append(f"Only one schedule, {document['schedules'][0]}: there is nothing to compare it with.")
    if batch > images:
        found.append(f"A batch of {batch:,} is larger than the training data, {images:,} images.")
    if isinstance(generated, int):
        found += _floor(document, generated) + _rank(document, generated)
    return found


def _floor(document: Mapping[str, Any], generated: int) -> list[str]:
    other = "train" if document["spec"]["evaluate"].get("reference") == "held_out" else "held_out"
    count = int(document["data"][other])
    if count >= max(generated, FEW):
        return []
    split = "training" if other == "train" else "held-out"
    return [
        f"The floor rests on {count:,} {split} images, the scores on {generated:,} generated ones: a Fréchet distance of "
        "few images is too high."
    ]


def _rank(document: Mapping[str, Any], generated: int) -> list[str]:
    dimensions = int(document["features"]["dimensions"])
    if generated >= dimensions:
        return []
    return [
        f"Fewer generated images ({generated:,}) than feature dimensions ({dimensions:,}): their covariance has not full "
        "rank, and Fréchet distances are too high."
    ]


def sanity(document: Mapping[str, Any]) -> list[Damage]:
    """What the primary score says of real images with known damage; empty for a study that did not measure it.

    Rows that are not of that form (from another version, or by hand) are left out.
    """
    listed = document.get("sanity")
    return [
        Damage(str(row["damage"]), float(row["value"]), float(row["floor"]), bool(row["seen"]))
        for row in (listed if isinstance(listed, list) else [])
        if isinstance(row, Mapping)
        and {"damage", "seen"} <= row.keys()
        and all(isinstance(row.get(name), int | float) for name in ("value", "floor"))
    ]


def told(document: Mapping[str, Any]) -> list[str]:
    """The sentences that were written into the study document when it was made."""
    listed = document.get("warnings")
    return [str(each) for each in listed] if isinstance(listed, list) else []


def blind(document: Mapping[str, Any]) -> list[str]:
    """A sentence naming the damage that the score does not see; empty if it sees all of it, or was not asked."""
    unseen = [each.damage for each in sanity(document) if not each.seen]
    return [f"The score does not see: {'; '.join(unseen)}."] if unseen else []
