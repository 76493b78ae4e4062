"""The non-saturating loss with the R1 penalty (Mescheder et al. 2018)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.kinds import number
from harness.models.gan.losses.non_saturating import NonSaturating
from harness.models.gan.penalties.squared_slope import SquaredSlope
from harness.models.gan.penalty import Penalised
from harness.models.model import LossPart


@dataclass(frozen=True)
class Settings:
    """What may be set."""

    penalty: float = number(
        10.0, low=0.0, high=1e6, text="γ: the discriminator's squared slope at real images counts γ/2 times (paper: 10)"
    )


PART = LossPart(
    name="r1",
    help="logistic loss with a penalty on the discriminator's slope at real images (Mescheder et al. 2018)",
    settings=Settings,
    penalty="r1",
    ideal=math.log(4.0),
    build=lambda settings: Penalised(NonSaturating(), SquaredSlope(settings.penalty)),
)
