"""`python -m harness.json_output` prints the JSON schema of what the commands print with `--json` (docs/output.schema.json).

Within a format's number keys may be added, and none changes its meaning or goes.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import models_json_schema

Number = float | None  # null where there is none


class _Table(BaseModel):
    """A table of keys, whose descriptions stand below them."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Versioned(_Table):
    """What is printed."""

    format: Literal[1]
    """number of this schema's format"""


class Against(_Table):
    """A schedule against the baseline."""

    n: int
    """pairs, of seeds or of replicates"""
    difference: Number
    """mean paired difference in units of the score, or as a fraction where scale is relative"""
    low: Number
    """lower end of its interval"""
    high: Number
    """upper end of its interval"""
    p_holm: Number
    """p after Holm's correction, over all looks"""
    p_better: Number
    """share of pairs in which the schedule was better"""
    verdict: Literal["better", "worse", "equivalent", "undecided", "descriptive only"]
    """what the study says of it"""
    look: int | None = None
    """number of looks taken at it, of a study that repeats its tuning"""


class Later(Against):
    """What came after the plan, and changes no verdict."""

    schedule: str
    what: str


class Level(_Table):
    """A schedule's own score."""

    n: int
    """runs, or replicates"""
    mean: Number
    low: Number
    """lower end of the mean's interval"""
    high: Number
    """upper end of the mean's interval"""
    diverged: int
    failed: int
    against_baseline: Against | None = None
    """not of the baseline, and not before there are pairs"""


class Verdicts(Versioned):
    """What is said of a study, or of runs trained elsewhere."""

    score: str
    """full name of the primary score"""
    scale: Literal["absolute", "relative"]
    """whether differences are in units of the score, or fractions of the baseline"""
    baseline: str
    verdict: str
    """all verdicts in one line"""
    decided: bool
    """whether every verdict is better, worse or equivalent"""
    scope: str
    """what the verdicts are about"""
    sentence: str
    """the verdicts as a paragraph"""
    warnings: list[str]


class Study(Verdicts):
    """`harness run STUDY.toml --json`, and each element of what `harness report --json` prints."""

    study: str
    """name of the study"""
    exploratory: bool
    """whether the verdicts are, since the study was changed after results were known"""
    looks: list[int]
    """numbers of replicates at which verdicts are taken; empty of a study that tunes once"""
    look: int | None
    """how many looks were taken"""
    replicates: int | None
    """replicates that have ended"""
    schedules: dict[str, Level]
    """by name, in the study's order"""
    later: list[Later] | None = None
    results: str
    """results folder"""


class Comparison(Verdicts):
    """`harness compare TABLE --json`."""

    table: str
    """the file, or what was given in Python"""
    factor: str
    """column that is compared"""
    pair: str
    """what runs to compare have in common"""
    replicates: int | None = None
    """tunings that the verdicts rest on, with --replicate"""
    direction: Literal["lower", "higher"]
    """which scores are better"""
    alpha: float
    rope: float
    """half the width of the region of equivalence, in per cent where scale is relative"""
    levels: dict[str, Level]
    """by name, the baseline first"""
    page: str | None = None
    """file of the page, with --output"""


class Seen(_Table):
    """What Fréchet distances make of real images that are damaged in one way."""

    damage: str
    value: float
    floor: float
    """the same of undamaged images"""
    seen: bool
    """whether the score tells the two apart"""


class Damage(Seen):
    """What a score makes of real images that are damaged in one way."""

    spread: float
    """standard deviation of the floor"""
    images: int


class Power(_Table):
    """Which effect the plan finds."""

    share: float
    """in what share of studies"""
    looks: list[int]
    unit: Literal["replicate", "seed"]
    effect_in_standard_deviations: Number
    """of a pair's difference"""
    effect: Number
    """in units of the score, or as a fraction; null where no noise is known"""


class Noise(_Table):
    """The noise of earlier results, which `--noise-from` named; `from` is their folder."""

    standard_deviation: float
    baseline_mean: float
    pairs: int
    scale: str


class Expected(_Table):
    """Mean number of replicates until a schedule is decided."""

    no_difference: float
    detectable_effect: Number


class DryRun(Versioned):
    """`harness run STUDY.toml --dry-run --json`."""

    study: str
    spec: dict[str, Any]
    """the resolved study file"""
    published: dict[str, Any]
    runs: int
    """of the whole plan; of a study that repeats its tuning the most"""
    stored: int
    remaining: int
    shared_steps: int
    """steps of the plan that are not trained again, since earlier runs have them"""
    workers: int
    seconds_per_step: float
    seconds_per_evaluation: float
    seconds_set_up: float
    seconds_per_run: float
    seconds: float
    """until all is done, with so many workers here; of a study that repeats its tuning at most"""
    runs_to_next_look: int | None = None
    seconds_to_next_look: float | None = None
    power: Power
    noise: Noise | None = None
    expected_replicates: Expected | None = None
    disk_bytes: int
    data: dict[str, Any]
    features: dict[str, Any]
    floor: dict[str, float]
    """scores of real images against real ones"""
    sanity: list[Damage]
    warnings: list[str]


class Agreement(_Table):
    """One number of a run, as stored and as found again."""

    run: str
    step: int
    name: str
    stored: Number | str
    """a score, loss or rate, or a text; null where it is no number"""
    found: Number | str
    verdict: Literal["identical", "within rounding", "within seed spread", "different"]


class Reproduction(Versioned):
    """`harness reproduce RESULTS --json`."""

    results: str
    runs: int
    """runs that were trained again"""
    verdict: Literal["identical", "within rounding", "within seed spread", "different"]
    """the worst of all numbers"""
    numbers: list[Agreement]


class Scores(Versioned):
    """`harness score GENERATED REAL --json`."""

    scores: dict[str, float]
    protocol: dict[str, Any]
    """how they were measured"""
    inputs: dict[str, Any]
    """what was read and skipped, by input"""
    warnings: list[str]
    floor: dict[str, float] | None = None
    """scores of held-out real images"""
    sanity: dict[str, list[Damage]] | None = None
    """by metric"""


class Architecture(_Table):
    """Sizes of a compact feature network."""

    side: int
    """pixels of a side of its images"""
    channels: int
    width: int
    """channels of the first layer"""
    outputs: int


class Features(Versioned):
    """`harness features train FOLDER --json`."""

    file: str
    sha256: str
    bytes: int
    name: str
    """what its images are"""
    task: Literal["classes", "turns"]
    classes: list[str]
    architecture: Architecture
    accuracy: float
    """share of held-out images (and all their turns) that it tells rightly"""
    chance: float
    """the accuracy of a guess"""
    train: int
    """images"""
    held_out: int
    """images"""
    fingerprint: str
    """that of a study's data with the same images"""
    seed: int
    epochs: int
    mirror: bool
    harness: str
    """version"""
    sanity: list[Seen]
    warnings: list[str]


class Answer(_Table):
    """A check of a network of one's own."""

    name: str
    good: bool
    found: str


class Networks(Versioned):
    """`python -m harness.check_network FILE --json`."""

    checks: list[Answer]


class Examined(_Table):
    """What the doctor asked of a subject, such as a network, on a device."""

    subject: str
    question: str
    device: str
    status: Literal["passed", "failed", "skipped"]
    found: str
    differences: dict[str, Number]
    """relative ones of losses, weights and gradients, where numbers were compared; null where infinite"""


class Speed(_Table):
    """Seconds of a training step of a network in one way of computing."""

    network: str
    device: str
    way: str
    seconds: Number
    reason: str
    """why it could not be timed"""


class Throughput(_Table):
    """Training steps a second of all workers of a device together."""

    device: str
    workers: int
    steps_per_second: float


class Evaluation(_Table):
    """Images a second through a feature network."""

    network: str
    device: str
    images_per_second: float


class Advice(_Table):
    """What to set, and why."""

    setting: str
    """key of the study file, option or variable"""
    value: str
    reason: str


class Doctor(Versioned):
    """`harness doctor --json`."""

    machine: dict[str, Any]
    """versions, processor, memory and disks (MB), GPUs, driver, TensorFlow's build"""
    checks: list[Examined]
    speeds: list[Speed]
    throughput: list[Throughput]
    evaluations: list[Evaluation]
    operations: dict[str, int]
    """those that a device starts in one training step, by network"""
    unchecked: list[str]
    seconds: float
    advice: list[Advice]


PRINTED = (Study, Comparison, DryRun, Reproduction, Scores, Features, Networks, Doctor)


def schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of all of it; `$defs` has one for each thing that is printed."""
    _, found = models_json_schema(
        [(model, "validation") for model in PRINTED], title="Output of the commands with --json"
    )
    found["$defs"]["Noise"]["properties"]["from"] = {"title": "From", "type": "string"}
    printed = [{"$ref": f"#/$defs/{model.__name__}"} for model in PRINTED]
    report = {"type": "array", "items": {"$ref": f"#/$defs/{Study.__name__}"}}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found, "anyOf": [*printed, report]}


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
