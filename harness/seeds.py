"""Seeds: every random draw of a study derives from its seed and from what the draw is for."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import Self

ROLES = ("weights", "data", "latents", "noise")
# What a score's spread may come from, and the roles that are drawn anew to see how much of it does. Training's latents and
# noise are one source, all that is drawn at a step besides its images: what is latent in a GAN is noise in a flow, and
# many networks draw no noise of their own, so that its share would be 0 by construction.
SOURCES = {"weights": ("weights",), "data": ("data",), "latents": ("latents", "noise"), "evaluation": ()}
SETS = 10  # further sets of evaluation latents that the weights at the end of one run are scored with


def derive(*key: object) -> int:
    """A 63-bit seed that depends on every part of `key` and on nothing else (BLAKE2b of the parts)."""
    text = "/".join(str(part) for part in key)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def evaluation_seed(study_seed: int, index: int) -> int:
    """The seed of a further set of evaluation latents, numbered from 0."""
    return derive(study_seed, "variance", "evaluation", index)


@dataclass(frozen=True)
class Seeds:
    """One seed per role, each in [0, 2**63); the same for every schedule at the same phase and repetition."""

    weights: int
    data: int
    latents: int
    noise: int

    @classmethod
    def of(cls, study_seed: int, phase: str, repetition: int) -> Self:
        """The seeds of one repetition of one phase: common random numbers over the schedules."""
        return cls(*(derive(study_seed, phase, repetition, role) for role in ROLES))

    def changed(self, study_seed: int, source: str, repetition: int) -> Self:
        """These seeds but for the roles of one source of `SOURCES`, which are drawn anew for each repetition."""
        drawn = {role: derive(study_seed, "variance", role, repetition) for role in SOURCES[source]}
        return dataclasses.replace(self, **drawn)
