"""The Wasserstein loss with gradient penalty (Gulrajani et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

from harness.kinds import number
from harness.models.gan.losses.wasserstein import Wasserstein
from harness.models.gan.penalties.gradient_penalty import GradientPenalty
from harness.models.gan.penalty import Penalised
from harness.models.model import LossPart


@dataclass(frozen=True)
class Settings:
    """What may be set."""

    penalty: float = number(10.0, low=0.0, high=1e6, text="weight of the gradient penalty")


PART = LossPart(
    name="wasserstein_gp",
    help="difference of mean logits, with a penalty on slopes other than 1 (Gulrajani et al. 2017)",
    settings=Settings,
    penalty="gradient_penalty",
    build=lambda settings: Penalised(Wasserstein(), GradientPenalty(settings.penalty)),
)
