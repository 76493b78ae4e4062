"""Whether XLA compiles the training loops of a study: decided once, by its first model, where the device is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from harness.models.model import Model
from harness.spec import StudySpec, TrainedWith

_TRAINED = ("model", "network", "loss", "optimizer", "penalty", "augmentation")  # parts whose code the loop holds


class Build(Protocol):
    """Builds a model of a study, of what its schedules may differ in."""

    def __call__(self, trained_with: TrainedWith, *, xla: bool | str) -> Model: ...


class Models:
    """Makes the models of a study, all compiled alike. `notes` are sentences for whoever reads the scores."""

    def __init__(self, spec: StudySpec, build: Build) -> None:
        """`build` is called with train.xla as the file has it, or with False where XLA cannot compile the user's code."""
        self._build, self._xla, self._first = build, spec.train.xla, True
        self._own = [each.name for each in spec.named_code() if each.role in _TRAINED]
        self.notes: list[str] = []

    def __call__(self, trained_with: TrainedWith) -> Model:
        """The model; ValueError if XLA is asked for and cannot compile it."""
        # Of a kind of the user's own that knows nothing of XLA, perhaps.
        model: Any = self._build(trained_with, xla=self._xla)
        first = self._first
        self._first = False
        fault = model.fault_of_xla() if self._own and getattr(model, "xla", False) else None
        if fault is not None:
            if self._xla is True or not first:
                raise ValueError(
                    f"train.xla is {str(self._xla).lower()}, but XLA cannot compile {', '.join(self._own)} ({fault}); set it to "
                    "false"
                )
            self._xla = False
            self.notes.append(
                f"train.xla is 'auto', but XLA cannot compile {', '.join(self._own)} ({fault}): the runs train without it, which "
                "is slower"
            )
            model = self._build(trained_with, xla=False)
        if first:
            self.notes += drawing(model)
        made: Model = model
        return made


def drawing(model: Any) -> Iterator[str]:
    """What to say of networks whose draws within XLA are others than without."""
    modules: dict[str, Any] = model.modules if getattr(model, "xla", False) else {}
    names = [f"'{name}'" for name, module in modules.items() if getattr(module, "draws", False)]
    if names:
        yield (
            f"XLA compiles the training loop, within which the layers of Keras that draw numbers (network {', '.join(names)}) draw "
            "others than without it: on a CPU these runs are other runs"
        )
