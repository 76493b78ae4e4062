"""Adam (Kingma & Ba 2015), and AdamW (Loshchilov & Hutter 2019), which is Adam with decoupled weight decay.

There are two forms, which differ only in where epsilon goes. PyTorch's (torch/optim/adam.py, `_single_tensor_adam`) is the
paper's algorithm 1: epsilon is added to the root of the second moment after its bias correction. Keras' (and
TensorFlow's, Chainer's) adds it before: the paper's "epsilon hat", which at step t is epsilon · √(1 - β₂^t) of PyTorch's, so
the same number there matters more in early steps. Weight decay is PyTorch's AdamW's in both: weights are first multiplied by
1 - rate · decay. (`torch.optim.Adam(weight_decay=...)` adds to the gradient instead, which is not offered.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.kinds import choice, number
from harness.lazy import tf
from harness.models.nn.optimizer import Optimizer, OptimizerPart, Settings, epsilon, weight_of_past


class Adam(Optimizer):
    """Adam with the bias correction in the rate; where beta2 changes, by its present value, as in PyTorch."""

    slots: ClassVar[int] = 2

    def _apply(
        self,
        weights: tf.Variable,
        gradient: tf.Tensor,
        slots: Sequence[tf.Variable],
        rate: tf.Tensor,
        count: tf.Tensor,
        controls: Mapping[str, tf.Tensor],
    ) -> None:
        beta1, beta2, added = self._moments.beta1, self._beta2(controls), self._settings.epsilon
        root = tf.sqrt(1.0 - weight_of_past(beta2, count))
        correction = root / (1.0 - weight_of_past(beta1, count))
        tf.raw_ops.ResourceApplyAdam(
            var=weights.handle,
            m=slots[0].handle,
            v=slots[1].handle,
            beta1_power=0.0,  # the kernel's own correction is in float32: ours, in float64, is in the rate
            beta2_power=0.0,
            lr=rate * tf.cast(correction, tf.float32),
            beta1=beta1,
            beta2=beta2,
            epsilon=added if self._settings.form == "keras" else tf.cast(added * root, tf.float32),
            grad=gradient,
        )


@dataclass(frozen=True)
class AdamSettings(Settings):
    """What may be set of Adam."""

    epsilon: float = epsilon(
        text="added to the root of the second moment (Keras': 1e-7; PyTorch's and Chainer's: 1e-8)"
    )
    form: str = choice(
        "keras",
        ("keras", "torch"),
        text="whose: epsilon is added before ('keras') or after ('torch') the second moment's bias correction",
        later=True,
    )


@dataclass(frozen=True)
class DecaySettings(AdamSettings):
    """What may be set of AdamW."""

    weight_decay: float = number(
        0.004, low=0.0, high=1.0, text="each update first takes this times the rate off each weight (default: Keras')"
    )


PARTS = (
    OptimizerPart(
        name="adam",
        help="adaptive moments (Kingma & Ba 2015)",
        settings=AdamSettings,
        reads=("beta1", "beta2"),
        position=0,
        build=Adam,
    ),
    OptimizerPart(
        name="adamw",
        help="Adam with decoupled weight decay (Loshchilov & Hutter 2019)",
        settings=DecaySettings,
        reads=("beta1", "beta2"),
        position=1,
        build=Adam,
    ),
)
