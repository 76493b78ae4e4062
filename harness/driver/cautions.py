"""What a study file and its data allow but hardly anybody means: one sentence each, for terminal, study.json and page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from harness import data, kinds, schedules
from harness.data import data_set
from harness.driver import preflight
from harness.metrics import extractor, sanity
from harness.plan import tpe
from harness.spec import Range, StudySpec
from harness.spec.parts import PartSection
from harness.spec.schedule import ShapeSpec
from harness.stats import paired, power

PER_DIMENSION = 10  # real images per dimension of the features from which on their moments are well known
ENDS_AT_0 = ("linear", "cosine")  # shapes with `until` that fall to 0 unless `floor` is set
ONCE = "the tuning is not repeated (replicates.max = 1): verdicts are about these configurations"
FLOOR_IMAGES = 1000  # held-out images below which a floor is a rough one


def of(spec: StudySpec, facts: Mapping[str, Any]) -> list[str]:
    """All cautions; `facts` are a worker's summary or a study.json. One whose cause a grown study lacks is not there."""
    return [*of_file(spec), *_of_facts(spec, facts)]


def lasting(spec: StudySpec, facts: Mapping[str, Any]) -> list[str]:
    """Those that stay with the results: all but the one that every page of a study that tunes once says by itself."""
    return [caution for caution in of(spec, facts) if caution != ONCE]


def of_file(spec: StudySpec) -> list[str]:
    """Those that can be told from the study file alone."""
    parts = (_of_verdicts, _ignored, _of_arms, _of_shapes, _of_averages, _of_penalties)
    return [caution for part in parts for caution in part(spec)]


def _of_verdicts(spec: StudySpec) -> Iterator[str]:
    """What stands in the way of a verdict."""
    comparisons = len(spec.schedules) - 1
    if not comparisons:
        yield f"schedules has only '{spec.question.baseline}': with nothing to compare it with, there will be no verdict"
        return
    yield from _of_numbers(spec, comparisons)
    baseline = spec.steps(spec.question.baseline)
    others = [label for label in spec.schedules if spec.steps(label) != baseline]
    if others:
        yield (
            f"schedules '{others[0]}' {'and others have' if len(others) > 1 else 'has'} another number of steps than the baseline: "
            "verdicts are about budgets of training, too"
        )
    if spec.question.rope == 0:
        yield "question.rope is 0: no schedule can be called equivalent to the baseline"
    if spec.search.trials == 1 and _samples(spec):
        yield "search.trials is 1: the settings of every schedule are one random draw, not the best of several"
    if spec.search.trials > 1 and not _samples(spec):
        yield f"search.trials is {spec.search.trials}, but no parameter is a range: all trials of a schedule are alike"


def _of_numbers(spec: StudySpec, comparisons: int) -> Iterator[str]:
    """Too few seeds or replicates for a verdict, or a tuning that is not repeated, or nothing to tune."""
    alpha, plan = spec.question.alpha, spec.replicates
    key, number = ("replicates.max", plan.max) if spec.replicated else ("confirm.seeds", spec.confirm.seeds)
    needed = paired.seeds_needed(comparisons, alpha)
    if number < needed:
        yield (
            f"{key} is {number}, but {comparisons} comparison{'s' * (comparisons > 1)} at question.alpha = "
            f"{alpha:g} need {needed}: verdicts will be descriptive only"
        )
    if not spec.replicated:
        if spec.search.trials > 1 and _samples(spec):
            yield ONCE
        return
    deciding = power.deciding(plan.looks, comparisons, alpha)
    if deciding and deciding[0] > plan.min:
        yield (
            f"replicates.min is {plan.min}, but no look before the one at {deciding[0]} replicates can call a schedule better or "
            "worse: so early only a small share of question.alpha is spent"
        )
    if not _samples(spec):
        yield f"replicates.max is {plan.max}, but no parameter is a range: with nothing to tune, replicates repeat seeds alone"


def _of_arms(spec: StudySpec) -> Iterator[str]:
    """Combinations of what changes within runs that hardly make sense."""
    scheduled, train = spec.train.scheduled, spec.train
    own_penalty = getattr(train.loss.settings, "penalty", 0.0)  # of a loss that has one
    if scheduled.penalty is not None and not train.penalties and not own_penalty and not kinds.is_own(train.loss.name):
        yield (
            f"train.scheduled.penalty is set, which changes nothing: train.penalties is empty, and train.loss '{train.loss.name}' has "
            "no penalty of its own"
        )
    for name, course in scheduled.courses():
        if course.kind == "constant" or course.start == course.end:
            why = "its kind is 'constant'" if course.kind == "constant" else f"its end is its start, {course.start:g}"
            yield f"train.scheduled.{name} does not change: {why}"
    if scheduled.beta2 is not None and not _reads(spec, "beta2"):
        yield f"train.scheduled.beta2 is set, which changes nothing: {_optimizer(spec)}"
    for label, schedule in spec.schedules.items():
        optimizer = spec.optimizer(label)
        key = "train.optimizer" if schedule.optimizer is None else f"schedules.{label}.optimizer"
        decay = f"schedules.{label}.weight_decay" if schedule.weight_decay is not None else "space.weight_decay"
        own = schedule.optimizer is not None or not _of_its_optimizer(spec)  # else other schedules have what it sets
        if own and _decay_is_named(spec, label) and optimizer.sets("weight_decay") and not kinds.is_own(optimizer.name):
            yield f"{key} sets weight_decay = {optimizer.settings.weight_decay:g}, which {decay} takes the place of for '{label}'"
        if optimizer.name.startswith("schedule_free") and (falling := _falling(spec, label)):
            yield (
                f"{key} is '{optimizer.name}', which averages weights in place of a decay, but the rate of '{label}' falls "
                f"({falling}): two decays in one"
            )


def _decay_is_named(spec: StudySpec, label: str) -> bool:
    """Whether a schedule's runs have another weight decay than their optimizer's own."""
    return spec.schedules[label].weight_decay is not None or spec.space.weight_decay is not None


def _of_its_optimizer(spec: StudySpec) -> bool:
    """Whether any schedule is trained with train.optimizer and the weight decay that it sets."""
    return any(each.optimizer is None and not _decay_is_named(spec, label) for label, each in spec.schedules.items())


def _of_shapes(spec: StudySpec) -> Iterator[str]:
    """Shapes that end long before the run does, or that no network follows."""
    for label, schedule in spec.schedules.items():
        shapes: dict[str, ShapeSpec] = {f"schedules.{label}": schedule}
        shapes |= {f"schedules.{label}.{network}": shape for network, shape in schedule.networks.items()}
        for key, shape in shapes.items():
            until, floor = shape.fields.get("until", 1.0), shape.fields.get("floor", 0.0)
            first = until.low if isinstance(until, Range) else until
            if shape.kind in ENDS_AT_0 and first < 1 and floor == 0:
                yield f"{key}.until is {first:g}, but its floor is 0: from there on the rate is 0, and nothing is learnt"
        model = spec.model.part
        scope = spec.arm(label).applies_to
        following = spec.arm(label).following(model.networks)
        said = [name for name in ("applies_to",) if schedule.applies_to is not None] + list(schedule.fields)
        if model.networks and not following and said:
            others = [name for name in model.networks if name not in schedule.networks]
            keep = f", and {', '.join(others)} is kept at its peak by applies_to = '{scope}'" if others else ""
            yield (
                f"schedules.{label}.{said[0]} is set, which changes nothing: {' and '.join(schedule.networks)} "
                f"{'has a shape of its' if len(schedule.networks) == 1 else 'have shapes of their'} own{keep}"
            )


def _of_averages(spec: StudySpec) -> Iterator[str]:
    """Averages that are one and the same, since the ramp of their first steps never ends."""
    steps, ramp = spec.train.steps, spec.train.ema_ramp
    reached = steps / (ramp + steps - 1)  # the ramp at the last step
    alike = [f"{decay:.6g}" for decay in spec.train.averages.values() if decay >= reached]
    if len(alike) > 1:
        yield (
            f"the averages with decays {', '.join(alike)} are one and the same: in {steps} steps their ramp (train.ema_ramp = "
            f"{ramp:g}) does not pass {reached:.6g}"
        )


def _of_penalties(spec: StudySpec) -> Iterator[str]:
    """A penalty that counts twice, or one that is missed."""
    names = [each.name for each in spec.train.penalties]
    own_loss = kinds.is_own(spec.train.loss.name)
    loss, within = spec.train.loss, "" if own_loss else spec.train.loss.part.penalty
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield f"train.penalties has '{name}' {names.count(name)} times: each counts"
        if name == within:
            yield f"train.penalties has '{name}', which train.loss '{loss.name}' has within it as well: both count"
    bounded = names or spec.network.part.bounded or kinds.is_own(spec.network.name)
    if not own_loss and loss.part.needs_bound and not bounded:
        yield (
            f"train.loss is '{loss.name}', which needs a bound on the discriminator's slopes, but train.penalties is empty, and "
            f"network.name '{spec.network.name}' has none"
        )


def _falling(spec: StudySpec, label: str) -> str:
    """The kinds of a schedule's shapes and rules that lower the rate, in words."""
    return ", ".join(filter(schedules.is_decay, spec.arm(label).kinds))


def _reads(spec: StudySpec, key: str) -> bool:
    """Whether any schedule's optimizer reads a key of [train]."""
    return any(key in optimizer.part.reads for optimizer in spec.optimizers)


def _of_facts(spec: StudySpec, facts: Mapping[str, Any]) -> Iterator[str]:
    """What the numbers of images, the features and the measured sanity say."""
    train, held_out = int(facts["data"]["train"]), int(facts["data"]["held_out"])
    dimensions, generated = int(facts["features"]["dimensions"]), spec.evaluate.generated
    sides = {"train": train, "held_out": held_out}
    reference = spec.evaluate.reference
    other = "held_out" if reference == "train" else "train"
    features, name = spec.evaluate.features, facts["data"]["name"]
    environment = facts.get("environment", {})
    if spec.train.xla is True and str(environment.get("device", "")).startswith("CPU"):
        yield "train.xla is true, but the runs train on a CPU, where it makes them many times slower"
    yield from environment.get("notes", ())
    if spec.train.batch > train:
        yield f"train.batch is {spec.train.batch}, but there are only {train} training images: every batch repeats some"
    known = extractor.find(features, key="evaluate.features").trained_on
    if known and name != known:
        title = data_set.declared()[known].title
        yield f"evaluate.features is '{features}', a network trained on {title}, but it scores images of '{name}'"
    trained = extractor.find(features, key="evaluate.features").trained
    if trained is not None and trained.fingerprint != facts["data"]["fingerprint"]:
        yield (
            f"evaluate.features is '{features}', a network trained on {trained.title}, but it scores other images of '{name}', or "
            f"the same at another size or split (fingerprints {trained.fingerprint[:12]}… and {facts['data']['fingerprint'][:12]}…)"
        )
    fid = spec.question.score == "fid"
    if fid and generated <= dimensions:
        yield (
            f"evaluate.generated is {generated}, but the features have {dimensions} dimensions: so few images make a "
            "Fréchet distance far too large"
        )
    if fid and sides[reference] <= dimensions:
        yield (
            f"there are {sides[reference]} real images ({reference}), but the features have {dimensions} dimensions: a "
            "Fréchet distance to so few is far from that to all"
        )
    elif generated > sides[reference] and sides[reference] < PER_DIMENSION * dimensions:
        yield f"evaluate.generated is {generated}, but they are compared with only {sides[reference]} real images ({reference})"
    if fid and sides[other] < generated:
        yield (
            f"the floor is of {sides[other]} real images ({other}), fewer than the {generated} generated ones of a score: a "
            "Fréchet distance of fewer images is larger, so the floor is too high"
        )
    elif sides[other] < min(FLOOR_IMAGES, generated):
        yield f"the floor is of {sides[other]} real images ({other}) only: it is a rough one"
    yield from _of_sanity(spec, facts)


def _of_sanity(spec: StudySpec, facts: Mapping[str, Any]) -> Iterator[str]:
    measured = facts.get("sanity")
    if measured is None:  # stored by an earlier version
        return
    score = str(preflight.primary(spec).raw)
    if not measured:
        images = int(facts["data"]["train"]) + int(facts["data"]["held_out"])
        yield f"{score}: what it sees was not measured, since {images} real images are too few ({sanity.FEWEST} needed)"
        return
    blind = [each["damage"] for each in measured if not each["seen"]]
    if blind:
        yield sanity.sentence(score, blind, images=max(int(each["images"]) for each in measured))


def _ignored(spec: StudySpec) -> Iterator[str]:
    """Keys that the file sets but that nothing reads, given its other keys."""
    for section, key, applies, why in _RULES:
        model = getattr(spec, section)
        if not applies(spec) and model.sets(key):
            yield f"{section}.{key} is {_shown(getattr(model, key))}, which changes nothing: {why(spec)}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, PartSection):
        return f"'{value.name}'"
    return f"{value:g}" if isinstance(value, float) else f"'{value}'" if not isinstance(value, int) else str(value)


def _samples(spec: StudySpec) -> bool:
    """Whether the search has anything to sample."""
    return bool(spec.shared_space()) or any(spec.own_space(label) for label in spec.schedules)


def _is_resized(spec: StudySpec) -> bool:
    own = data_set.find(spec.data).shape
    return own is None or own[0] != data.shape(spec.data)[0]


def _is_model(spec: StudySpec) -> bool:
    """Whether the feature network is a model of the user's own."""
    return extractor.find(spec.evaluate.features, key="evaluate.features").check_reading is not None


Rule = tuple[str, str, Callable[[StudySpec], bool], Callable[[StudySpec], str]]
# section, key, when it is read, and why it is not read otherwise
_RULES: Sequence[Rule] = (
    (
        "data",
        "data_dir",
        lambda spec: data_set.find(spec.data).files,
        lambda spec: f"data.name '{spec.data.name}' has no files",
    ),
    (
        "data",
        "held_out",
        lambda spec: data_set.find(spec.data).split is None,
        lambda spec: f"data.name '{spec.data.name}' has a published test split",
    ),
    ("data", "fit", _is_resized, lambda spec: "data.size is the images' own"),
    (
        "network",
        "width",
        lambda spec: "width" not in spec.network.part.retired,
        lambda spec: f"network.name is '{spec.network.name}'",
    ),
    ("train", "beta1", lambda spec: _reads(spec, "beta1"), lambda spec: _optimizer(spec)),
    (
        "train",
        "beta2",
        lambda spec: _reads(spec, "beta2") and spec.train.scheduled.beta2 is None,
        lambda spec: "train.scheduled.beta2 takes its place" if _reads(spec, "beta2") else _optimizer(spec),
    ),
    ("train", "momentum", lambda spec: _reads(spec, "momentum"), lambda spec: _optimizer(spec)),
    ("train", "ema", lambda spec: spec.train.scheduled.ema is None, lambda spec: "train.scheduled.ema takes its place"),
    (
        "train",
        "optimizer",
        lambda spec: any(each.optimizer is None for each in spec.schedules.values()),
        lambda spec: "every schedule names an optimizer of its own",
    ),
    (
        "train",
        "precision",
        lambda spec: any(each.precision is None for each in spec.schedules.values()),
        lambda spec: "every schedule names a precision of its own",
    ),
    (
        "evaluate",
        "weights",
        lambda spec: extractor.find(spec.evaluate.features, key="evaluate.features").check_weights is not None,
        lambda spec: (
            f"evaluate.features is '{spec.evaluate.features}', whose weights "
            + ("are in that file" if kinds.is_file(spec.evaluate.features) else "ship with the package")
        ),
    ),
    *(
        (
            "evaluate",
            key,
            lambda spec: kinds.is_own(spec.evaluate.features) or _is_model(spec),
            lambda spec: f"evaluate.features is '{spec.evaluate.features}', which is no Keras or ONNX model",
        )
        for key in ("layer", "scaling")
    ),
    (
        "search",
        "sampler",
        lambda spec: (
            spec.search.allocation == "balanced"
            and spec.search.trials > (tpe.START_UP if spec.search.sampler == "tpe" else 0)
            and _samples(spec)
        ),
        lambda spec: _search(spec),
    ),
    (
        "search",
        "allocation",
        lambda spec: spec.search.trials > 0 and len(spec.schedules) > 1,
        lambda spec: _search(spec) if not spec.search.trials else "there is one schedule",
    ),
    (
        "search",
        "round",
        lambda spec: spec.search.trials > 0 and (spec.search.sampler == "tpe" or spec.search.allocation == "adaptive"),
        lambda spec: _search(spec) if not spec.search.trials else f"search.sampler is '{spec.search.sampler}'",
    ),
    ("select", "seeds", lambda spec: spec.select.top > 0, lambda spec: "select.top is 0"),
    (
        "train",
        "applies_to",
        lambda spec: _warms_up(spec) or any(spec.schedules[label].kind != "constant" for label in _of_the_study(spec)),
        lambda spec: "all schedules that it is of are constant",
    ),
)


def _of_the_study(spec: StudySpec) -> list[str]:
    """The schedules whose scope is the study's."""
    return [label for label, schedule in spec.schedules.items() if schedule.applies_to is None]


def _optimizer(spec: StudySpec) -> str:
    names = [f"'{optimizer.name}'" for optimizer in spec.optimizers]
    return f"train.optimizer is {names[0]}" if len(names) == 1 else f"the optimizers are {', '.join(names)}"


def _search(spec: StudySpec) -> str:
    if not spec.search.trials:
        return "search.trials is 0"
    if spec.search.allocation == "adaptive":
        return "search.allocation is 'adaptive', which always takes tpe"
    if not _samples(spec):
        return "no parameter is a range"
    return f"the first {tpe.START_UP} trials are points of sobol, and search.trials is {spec.search.trials}"


def _warms_up(spec: StudySpec) -> bool:
    return isinstance(spec.space.warmup, Range) or spec.space.warmup > 0
