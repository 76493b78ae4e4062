"""Seeds: every random draw of a study derives from its seed and from what the draw is for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Self

ROLES = ("weights", "data", "latents", "noise")


def derive(*key: object) -> int:
    """A 63-bit seed that depends on every part of `key` and on nothing else (BLAKE2b of the parts)."""
    text = "/".join(str(part) for part in key)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


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
