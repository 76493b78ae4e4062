"""TensorBoard event files, one folder per run, written from the stored records: TensorFlow is not needed for it."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from harness import command_line, files
from harness.driver.engine import Display
from harness.plan.design import Design
from harness.results import trace
from harness.results.record import RunRecord

GRIDS = {"": "samples/raw", "-ema": "samples/ema"}  # suffix of the grid's file -> tag


class TensorBoardFault(RuntimeError):
    """Event files cannot be written: the package is not installed, or the folder cannot be one; the message says what to do."""


def check(folder: Path) -> None:
    """Raise TensorBoardFault unless event files can be written into `folder`."""
    fault = command_line.folder_fault(folder, option="--tensorboard")
    if fault is not None:
        raise TensorBoardFault(fault)
    try:
        import tensorboard.plugins.hparams.summary_v2  # noqa: F401
    except ImportError as error:
        raise TensorBoardFault(
            f"--tensorboard: package '{error.name}' is not installed; install the extra 'tensorboard'"
        ) from error


@dataclass
class Recorder:
    """A display that also writes the event file of each run as it ends, then passes everything on."""

    display: Display
    folder: Path
    samples: Path

    def started(self, design: Design) -> None:
        """A run has begun."""
        self.display.started(design)

    def ended(self, record: RunRecord) -> None:
        """A run has ended and is stored."""
        write(self.folder, [record], samples=self.samples)
        self.display.ended(record)

    def retrying(self, design: Design, error: str) -> None:
        """A run failed and will be tried again."""
        self.display.retrying(design, error)

    def tick(self) -> None:
        """Time has passed."""
        self.display.tick()


def write(folder: Path, records: Iterable[RunRecord], *, samples: Path) -> None:
    """Write the event file of each record whole, replacing an older one; grids are read from `samples`.

    Wall times are the run's own clock in seconds from its start, so TensorBoard's "relative" axis is right.
    Raises OSError where the folder cannot be written.
    """
    for record in records:
        pictures = {tag: samples / f"{record.run}{suffix}.png" for suffix, tag in GRIDS.items()}
        grids = {tag: path.read_bytes() for tag, path in pictures.items() if path.is_file()}
        files.write(folder / record.run / "events.out.tfevents.0.run", events(record, grids))


def events(record: RunRecord, pictures: dict[str, bytes]) -> bytes:
    """The event file of one run: hyper-parameters, losses, rates, scores by step, and `pictures` (PNG by tag).

    Losses and rates are those of the run's trace: means since the point before. A record of an earlier version has
    none, and gives those of its evaluations, of one step each. Times between evaluations are interpolated.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.hparams import summary_v2
    from tensorboard.summary.writer.record_writer import RecordWriter

    buffer = io.BytesIO()
    writer = RecordWriter(buffer)
    start = summary_v2.hparams_pb(_settings(record), trial_id=record.run, start_time_secs=0.0)
    writer.write(Event(file_version="brain.Event:2", wall_time=0.0).SerializeToString())
    writer.write(Event(wall_time=0.0, summary=start).SerializeToString())
    values = _scalars(record)
    steps = np.array(sorted(values), dtype=np.float64)
    clock = {0: 0.0, record.last_step: record.seconds, **{point.step: point.seconds for point in record.curve}}
    at = sorted(clock)
    times = np.interp(steps, at, [clock[step] for step in at])
    for (step, by_tag), seconds in zip(sorted(values.items()), times.tolist(), strict=True):
        writer.write(Event(wall_time=seconds, step=step, summary=_summary(by_tag)).SerializeToString())
    for tag, content in pictures.items():
        event = Event(wall_time=record.seconds, step=record.last_step, summary=_picture(tag, content))
        writer.write(event.SerializeToString())
    return buffer.getvalue()


def _settings(record: RunRecord) -> dict[str, Any]:
    known = {name: value for name, value in record.params.items() if value is not None}
    return {
        "schedule": record.schedule,
        "phase": record.phase,
        "repetition": record.repetition,
        **({} if record.replicate is None else {"replicate": record.replicate}),
        **({"source": record.source} if record.source else {}),
        "status": record.status,
        **known,
    }


def _scalars(record: RunRecord) -> dict[int, dict[str, float]]:
    """Values by step and tag."""
    values: dict[int, dict[str, float]] = {}
    for point in trace.unpack(record.trace) or record.curve:
        values[point.step] = {f"loss/{name}": value for name, value in point.losses.items()}
        values[point.step] |= {f"rate/{network}": value for network, value in point.rates.items()}
    for evaluation in record.curve:
        scores = {f"score/{name}": value for name, value in evaluation.scores.items()}
        values.setdefault(evaluation.step, {}).update(scores)
    return values


def _summary(values: Mapping[str, float]) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    kept = {tag: value for tag, value in values.items() if value is not None and not math.isnan(value)}
    return Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in kept.items()])


def _picture(tag: str, content: bytes) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    with Image.open(io.BytesIO(content)) as picture:
        width, height = picture.size
    image = Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=content)
    return Summary(value=[Summary.Value(tag=tag, image=image)])
