"""One run: train, sample, score, from a design to a record, continuing from its checkpoint where there is one."""

from __future__ import annotations

import contextlib
import io
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.data import ImageSet
from harness.metrics.evaluation import Evaluator
from harness.models import checkpoints
from harness.models.checkpoints import Checkpoint
from harness.models.model import Diverged, Model
from harness.models.training import evaluation_latents
from harness.plan.design import JUDGED, Design
from harness.plan.prefixes import Forks
from harness.results.record import CurvePoint, RunRecord
from harness.seeds import SETS, derive, evaluation_seed
from harness.spec import StudySpec, TrainedWith
from harness.worker.energy import Meter
from harness.worker.forks import RunForks
from harness.worker.loss_trace import POINTS, LossTrace, even_steps
from harness.worker.rules import Rules

Progress = Callable[[dict[str, Any]], None]
GRID = 8  # a sample grid has GRID x GRID images
CHUNK_SECONDS = 0.5  # how long training goes on before it looks at the clock and at requests to stop


class Interrupted(Exception):
    """The run was asked to stop; it has left a checkpoint and continues from there."""


@dataclass
class Control:
    """What surrounds a run: where its checkpoint lies, who hears of progress, who may stop it, forks beside it, what it uses."""

    checkpoint: Path | None = None
    report: Progress = lambda message: None
    stop: Callable[[], bool] = lambda: False
    forks: Forks = field(default_factory=Forks)
    meter: Meter = field(default_factory=Meter)


@dataclass
class WorkerContext:
    """What runs of one study share in one process: images, a compiled model for each optimizer and precision, the evaluator."""

    spec: StudySpec
    images: ImageSet
    make: Callable[[TrainedWith], Model]
    evaluator: Evaluator
    environment: dict[str, Any]
    chunk: int = 8
    cache: Path | None = None  # where reference features lie
    latents: NDArray[np.float32] = field(init=False)
    _models: list[tuple[TrainedWith, Model]] = field(init=False, default_factory=list)

    @property
    def weights(self) -> tuple[str, ...]:
        """The weights that images are made by, and scored: as trained, then each average's."""
        return ("raw", *self.spec.train.averages)

    def __post_init__(self) -> None:
        """Draw the evaluation latents, which are the same for all runs of the study."""
        self.latents = self.drawn(derive(self.spec.seed, "evaluation latents"))

    def drawn(self, seed: int) -> NDArray[np.float32]:
        """Latents for as many images as a score takes."""
        return evaluation_latents(seed, self.spec.evaluate.generated, self.model.latent)

    @property
    def model(self) -> Model:
        """The first schedule's model: networks, losses and latents of the others' are the same."""
        return self.model_of(next(iter(self.spec.schedules)))

    def model_of(self, schedule: str) -> Model:
        """The model that runs of a schedule are trained with: one for each of what it is built with, built when first asked for."""
        trained_with = self.spec.trained_with(schedule)
        for known, model in self._models:
            if known == trained_with:
                return model
        model = self.make(trained_with)
        self._models.append((trained_with, model))
        return model


@dataclass(frozen=True)
class RunResult:
    """What a run hands back: its record, and sample grids (PNG) of the raw and the (primary) averaged weights."""

    record: RunRecord
    grids: dict[str, bytes]


def train_run(design: Design, context: WorkerContext, control: Control) -> RunResult:
    """Return the record of `design`; raise Interrupted after a checkpoint when asked to stop.

    A diverged run is a result like any other: its record says at which step and why.
    """
    run = _Run(design, context, control)
    try:
        run.train()
    except Diverged as diverged:
        return RunResult(run.record("diverged", reason=diverged.reason, last_step=diverged.step), {})
    shown = (("", "raw"), ("-ema", "ema")) if design.phase in JUDGED else ()  # nobody looks at the others' samples
    grids = {suffix: grid(run.images[weights]) for suffix, weights in shown}
    return RunResult(run.record("finished", reason="", last_step=run.model.step), grids)


class _Run:
    """The state of one run that is not in the model: its curve, its trace and the time it took so far."""

    def __init__(self, design: Design, context: WorkerContext, control: Control) -> None:
        spec = context.spec
        self.design, self.context, self.control = design, context, control
        self.model, self.steps = context.model_of(design.schedule), spec.steps(design.schedule)
        networks = self.model.networks
        self.rates = {name: rate.copy() for name, rate in design.rates(spec, networks).items()}
        self.controls = design.controls(spec)
        self.rules = Rules(design.rules(spec, networks), self.rates, spec.rule_run(design.schedule))
        self.curve: list[CurvePoint] = []
        self.evaluations: list[dict[str, float]] = []  # scores of the final weights on further latents
        self.trace = LossTrace(self.rates, self.model.losses, even_steps(spec.train.steps, POINTS))
        self.losses = dict.fromkeys(self.model.losses, float("nan"))
        self.numerics = context.environment.get("numerics", {})
        self.started = _now()
        self.seconds = 0.0
        self.spent = {"training": 0.0, "evaluation": 0.0}  # seconds
        self.stored_joules = dict.fromkeys(control.meter.parts, 0.0)  # before this process, by part of the machine
        self.joules: dict[str, float] = {}
        self.images: dict[str, NDArray[np.uint8]] = {}  # the last ones, by weights
        self.shared: dict[str, Any] = {}  # how many steps another run trained, which one, at what cost
        folder = None if control.checkpoint is None else control.checkpoint.parent
        self.forks = RunForks(spec, design, context.environment, folder, control.forks)
        self._begin()

    def _begin(self) -> None:
        self.model.prepare()  # belongs to no run: it would make a schedule look slow that was first in its worker
        self.model.start(self.design.seeds)
        path = self.control.checkpoint
        stored = checkpoints.load(path) if path is not None else None
        if stored is not None and stored.meta.get("design") == self.design.to_json() and self._restored(stored):
            self.started = float(stored.meta["started"])
            self.shared = dict(stored.meta.get("shared", {}))
            return
        fork = self.forks.found()
        if fork is not None and self._restored(fork):
            self.curve = [place for place in self.curve if place.step < self.steps]  # the last scores have errors, too
            self.shared = {"steps": self.model.step, "from": fork.meta["fork"]["run"], "seconds": self.seconds}
            self.shared["joules"] = dict(self.stored_joules)

    def _restored(self, stored: Checkpoint) -> bool:
        """Whether the run could be put where a checkpoint has it; nothing has changed where it could not."""
        if stored.meta.get("numerics") != self.numerics or "trace" not in stored.meta:
            return False  # begun under other settings, or by an earlier version: a run is of one kind throughout
        try:
            self.model.restore(stored.arrays)
            self.rules.restore(stored.arrays, self.model.step)
        except (ValueError, KeyError):  # written by a version that lays its state out otherwise: this run begins anew
            self.model.start(self.design.seeds)
            return False
        self.curve = [CurvePoint.from_json(place) for place in stored.meta["curve"]]
        self.evaluations = [dict(scores) for scores in stored.meta.get("evaluations", ())]
        self.trace.resume(stored.meta["trace"])
        self.losses = dict(zip(self.model.losses, map(float, stored.meta["losses"]), strict=True))
        self.seconds = float(stored.meta["seconds"])
        self.spent = {part: float(stored.meta["spent"][part]) for part in self.spent}
        self.stored_joules = {part: float(joules) for part, joules in stored.meta.get("joules", {}).items()}
        return True

    def train(self) -> None:
        """Train and score to the last step; raise Diverged or Interrupted."""
        begun = time.monotonic() - self.seconds  # as if nothing had come between
        with self.control.meter:
            try:
                self._train(begun)
            finally:
                self.seconds = time.monotonic() - begun
                self.joules = self._used()

    def _train(self, begun: float) -> None:
        saved = time.monotonic()
        # Where all runs of the study are evaluated, so that curves meet, and one is another's up to where they part.
        places = even_steps(self.context.spec.train.steps, self.context.spec.evaluate.points)
        targets = [*(place for place in places if place < self.steps), self.steps]
        done = self.curve[-1].step if self.curve else 0
        for target in (step for step in targets if step > done):
            while self.model.step < target:
                chunk_started = time.monotonic()
                until = self.forks.until(self.model.step, min(target, self.model.step + self.context.chunk))
                with self._timed("training"):
                    self._advance(self.rules.until(self.model.step, until))
                with self._timed("evaluation"):
                    self.rules.decide(self.model.step, self._shown)
                now = time.monotonic()
                self.seconds = now - begun
                self._adapt(now - chunk_started)
                if self.model.step < target or target == self.steps:  # the last scores are of each run itself
                    self._leave_fork()
                self.control.report({"run": self.design.run, "step": self.model.step, "scores": self._latest()})
                stopping = self.control.stop()
                if stopping or now - saved > self.context.spec.safety.checkpoint_seconds:
                    self._save()
                    saved = now
                if stopping:
                    raise Interrupted(self.design.run)
            with self._timed("evaluation"):
                self._score(target)
            if target < self.steps:
                self.seconds = time.monotonic() - begun
                self._leave_fork()
        if self.design.source == "evaluation":
            self._score_again()

    @contextlib.contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        """Add the seconds that the block takes to `part`, however it ends."""
        before = time.monotonic()
        try:
            yield
        finally:
            self.spent[part] += time.monotonic() - before

    def _advance(self, target: int) -> None:
        part = slice(self.model.step, target)
        self.rules.apply(part)
        rates = {network: rate[part] for network, rate in self.rates.items()}
        controls = {name: values[part] for name, values in self.controls.items()}
        try:  # models of a study that schedules nothing else need not know of controls
            losses = self.model.advance(rates, controls) if controls else self.model.advance(rates)
        except Diverged as diverged:
            self.trace.add(diverged.losses)
            raise
        self.trace.add(losses)
        self.rules.add(losses)
        self.losses = {name: float(values[-1]) for name, values in losses.items()}

    def _shown(self, images: int) -> tuple[Callable[[], NDArray[np.float32]], Callable[[], NDArray[np.float32]]]:
        """Features of so many generated and real images, as rules see them, or of as many as scores have."""
        context, real = self.context, self.context.evaluator.reference_features
        count = min(images, len(context.latents), len(real))
        latents = context.latents[:count]
        return lambda: context.evaluator.extractor(self.model.generate(latents, weights="raw")), lambda: real[:count]

    def _adapt(self, seconds: float) -> None:
        """Let a chunk take about CHUNK_SECONDS. Numbers do not depend on how steps are cut into chunks."""
        if seconds < CHUNK_SECONDS / 2:
            self.context.chunk = min(self.context.chunk * 2, 4096)
        elif seconds > CHUNK_SECONDS * 2:
            self.context.chunk = max(self.context.chunk // 2, 1)

    def _score(self, step: int) -> None:
        scores = self._scores_of(self.context.latents, errors=step == self.steps)
        self.curve.append(
            CurvePoint(
                step=step,
                rates={network: float(rate[step - 1]) for network, rate in self.rates.items()},
                losses=dict(self.losses),
                scores=scores,
                seconds=self.seconds,
            )
        )

    def _scores_of(self, latents: NDArray[np.float32], *, errors: bool = False) -> dict[str, float]:
        """The scores of the images that all weights make of latents, with `errors` their standard errors; keeps the images."""
        scores: dict[str, float] = {}
        for weights in self.context.weights:
            images = self.images[weights] = self.model.generate(latents, weights=weights)
            scores |= self.context.evaluator.scores(images, weights=weights, errors=errors)
        return scores

    def _score_again(self) -> None:
        """Score the final weights on further sets of latents: how much a score owes to those that it is measured with."""
        first = SETS * self.design.repetition
        for place in range(first + len(self.evaluations), first + SETS):
            if self.control.stop():
                self._save()
                raise Interrupted(self.design.run)
            latents = self.context.drawn(evaluation_seed(self.context.spec.seed, place))
            with self._timed("evaluation"):
                self.evaluations.append(self._scores_of(latents))

    def _used(self) -> dict[str, float]:
        """Joules up to now by part of the machine, of those parts of which all is known, whichever process it was in."""
        now = self.control.meter.joules()
        return {part: before + now[part] for part, before in self.stored_joules.items() if part in now}

    def _latest(self) -> dict[str, float]:
        return dict(self.curve[-1].scores) if self.curve else {}

    def _save(self) -> None:
        if self.control.checkpoint is not None:
            checkpoints.save(self.control.checkpoint, *self._state())

    def _leave_fork(self) -> None:
        """Leave a fork where one is asked for at this step."""
        if self.model.step in self.control.forks.leaves:
            self.forks.leave(self.model.step, *self._state())

    def _state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Everything that `_restored` needs, arrays and plain values."""
        meta = {
            "design": self.design.to_json(),
            "curve": [place.to_json() for place in self.curve],
            **({"evaluations": self.evaluations} if self.evaluations else {}),
            "seconds": self.seconds,
            "losses": list(self.losses.values()),
            "spent": self.spent,
            "joules": self._used(),
            "started": self.started,
            "trace": self.trace.to_json(),
            "numerics": self.numerics,
            **({"shared": self.shared} if self.shared else {}),
        }
        return self.model.state() | self.rules.state(self.model.step), meta

    def record(self, status: str, *, reason: str, last_step: int) -> RunRecord:
        """The run's record as it stands now; its trace ends here."""
        design, environment, spec = self.design, self.context.environment, self.context.spec
        finished = status == "finished"
        self.trace.end()
        return RunRecord(
            run=design.run,
            phase=design.phase,
            schedule=design.schedule,
            kind=design.kind,
            point=design.point,
            repetition=design.repetition,
            replicate=design.replicate,
            source=design.source,
            evaluations=tuple(self.evaluations) if finished else (),
            status=status,
            reason=reason,
            last_step=last_step,
            steps=self.steps,
            attempts=1,
            seconds=self.seconds,
            seconds_per_step=self.spent["training"] / max(last_step, 1),
            seconds_evaluation=self.spent["evaluation"],
            peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            params=design.values,
            scores=self._latest() if finished else {},
            losses=dict(self.losses) if finished else {},
            trial=None,
            seed_weights=design.seeds.weights,
            seed_data=design.seeds.data,
            seed_latents=design.seeds.latents,
            seed_noise=design.seeds.noise,
            data_fingerprint=self.context.images.fingerprint,
            features_sha256=self.context.evaluator.extractor.sha256,
            device=environment["device"],
            threads=spec.train.threads,
            commit=environment["commit"],
            versions=environment["versions"],
            numerics=self.numerics,
            precision=spec.precision(design.schedule) if spec.mixes_precisions else "",
            curve=tuple(self.curve),
            trace=self.trace.packed(),
            shared_steps=self.shared.get("steps", 0),
            shared_from=self.shared.get("from", ""),
            shared_seconds=self.shared.get("seconds", 0.0),
            joules=self.joules,
            shared_joules=self.shared.get("joules", {}),
            started=self.started,
            ended=_now(),
        )


def _now() -> float:
    """POSIX seconds, whole milliseconds: what tables hold, too."""
    return round(time.time(), 3)


def grid(images: NDArray[np.uint8]) -> bytes:
    """The first GRID**2 images, uint8 (n, h, w, c), in rows as a PNG: equal places show equal latents.

    Small images are enlarged; a line of one pixel parts them.
    """
    height, width, channels = images.shape[1:]
    factor = max(1, 32 // height)
    tall, wide = height * factor + 1, width * factor + 1
    canvas = np.full((GRID * tall + 1, GRID * wide + 1, channels), 96, np.uint8)
    for place, image in enumerate(images[: GRID * GRID]):
        row, column = divmod(place, GRID)
        large = image.repeat(factor, axis=0).repeat(factor, axis=1)
        canvas[row * tall + 1 : (row + 1) * tall, column * wide + 1 : (column + 1) * wide] = large
    picture = Image.fromarray(canvas[..., 0] if channels == 1 else canvas)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
