"""The architecture of the Inception network of 2015-12-05: its units, how they are joined, and the shapes of its weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """Convolution, batch normalisation, ReLU: its name in the state dict, kernel, channels, stride, padding."""

    name: str
    kernel: tuple[int, int]
    inputs: int
    outputs: int
    stride: int = 1
    padding: str = "SAME"


Branch = tuple[Unit, ...]


@dataclass(frozen=True)
class Block:
    """Parallel branches joined by channel; a branch of branches splits again at its end; pools named by kind."""

    branches: tuple[Branch, ...]
    pool: str | None = None
    pooled: Branch = ()
    forks: tuple[tuple[Branch, tuple[Unit, Unit]], ...] = ()


def _stem() -> tuple[Unit, ...]:
    return (
        Unit("Conv2d_1a_3x3", (3, 3), 3, 32, 2, "VALID"),
        Unit("Conv2d_2a_3x3", (3, 3), 32, 32, 1, "VALID"),
        Unit("Conv2d_2b_3x3", (3, 3), 32, 64),
        Unit("Conv2d_3b_1x1", (1, 1), 64, 80, 1, "VALID"),
        Unit("Conv2d_4a_3x3", (3, 3), 80, 192, 1, "VALID"),
    )


def _block_a(name: str, inputs: int, pooled: int) -> Block:
    return Block(
        (
            (Unit(f"{name}.branch1x1", (1, 1), inputs, 64),),
            (Unit(f"{name}.branch5x5_1", (1, 1), inputs, 48), Unit(f"{name}.branch5x5_2", (5, 5), 48, 64)),
            (
                Unit(f"{name}.branch3x3dbl_1", (1, 1), inputs, 64),
                Unit(f"{name}.branch3x3dbl_2", (3, 3), 64, 96),
                Unit(f"{name}.branch3x3dbl_3", (3, 3), 96, 96),
            ),
        ),
        "average",
        (Unit(f"{name}.branch_pool", (1, 1), inputs, pooled),),
    )


def _block_b(name: str, inputs: int) -> Block:
    return Block(
        (
            (Unit(f"{name}.branch3x3", (3, 3), inputs, 384, 2, "VALID"),),
            (
                Unit(f"{name}.branch3x3dbl_1", (1, 1), inputs, 64),
                Unit(f"{name}.branch3x3dbl_2", (3, 3), 64, 96),
                Unit(f"{name}.branch3x3dbl_3", (3, 3), 96, 96, 2, "VALID"),
            ),
        ),
        "reduce",
    )


def _block_c(name: str, width: int) -> Block:
    return Block(
        (
            (Unit(f"{name}.branch1x1", (1, 1), 768, 192),),
            (
                Unit(f"{name}.branch7x7_1", (1, 1), 768, width),
                Unit(f"{name}.branch7x7_2", (1, 7), width, width),
                Unit(f"{name}.branch7x7_3", (7, 1), width, 192),
            ),
            (
                Unit(f"{name}.branch7x7dbl_1", (1, 1), 768, width),
                Unit(f"{name}.branch7x7dbl_2", (7, 1), width, width),
                Unit(f"{name}.branch7x7dbl_3", (1, 7), width, width),
                Unit(f"{name}.branch7x7dbl_4", (7, 1), width, width),
                Unit(f"{name}.branch7x7dbl_5", (1, 7), width, 192),
            ),
        ),
        "average",
        (Unit(f"{name}.branch_pool", (1, 1), 768, 192),),
    )


def _block_d(name: str) -> Block:
    return Block(
        (
            (
                Unit(f"{name}.branch3x3_1", (1, 1), 768, 192),
                Unit(f"{name}.branch3x3_2", (3, 3), 192, 320, 2, "VALID"),
            ),
            (
                Unit(f"{name}.branch7x7x3_1", (1, 1), 768, 192),
                Unit(f"{name}.branch7x7x3_2", (1, 7), 192, 192),
                Unit(f"{name}.branch7x7x3_3", (7, 1), 192, 192),
                Unit(f"{name}.branch7x7x3_4", (3, 3), 192, 192, 2, "VALID"),
            ),
        ),
        "reduce",
    )


def _block_e(name: str, inputs: int, pool: str) -> Block:
    return Block(
        ((Unit(f"{name}.branch1x1", (1, 1), inputs, 320),),),
        pool,
        (Unit(f"{name}.branch_pool", (1, 1), inputs, 192),),
        (
            (
                (Unit(f"{name}.branch3x3_1", (1, 1), inputs, 384),),
                (
                    Unit(f"{name}.branch3x3_2a", (1, 3), 384, 384),
                    Unit(f"{name}.branch3x3_2b", (3, 1), 384, 384),
                ),
            ),
            (
                (
                    Unit(f"{name}.branch3x3dbl_1", (1, 1), inputs, 448),
                    Unit(f"{name}.branch3x3dbl_2", (3, 3), 448, 384),
                ),
                (
                    Unit(f"{name}.branch3x3dbl_3a", (1, 3), 384, 384),
                    Unit(f"{name}.branch3x3dbl_3b", (3, 1), 384, 384),
                ),
            ),
        ),
    )


STEM = _stem()
BLOCKS = (
    _block_a("Mixed_5b", 192, 32),
    _block_a("Mixed_5c", 256, 64),
    _block_a("Mixed_5d", 288, 64),
    _block_b("Mixed_6a", 288),
    _block_c("Mixed_6b", 128),
    _block_c("Mixed_6c", 160),
    _block_c("Mixed_6d", 160),
    _block_c("Mixed_6e", 192),
    _block_d("Mixed_7a"),
    _block_e("Mixed_7b", 1280, "average"),
    _block_e("Mixed_7c", 2048, "max"),  # sic: the published graph has a max pool here
)


def units() -> Iterator[Unit]:
    """All 94 convolution units."""
    yield from STEM
    for block in BLOCKS:
        for branch in block.branches:
            yield from branch
        for branch, ends in block.forks:
            yield from (*branch, *ends)
        yield from block.pooled


def shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of all 472 tensors in TensorFlow's layout (HWIO; dense: inputs × outputs)."""
    tensors: dict[str, tuple[int, ...]] = {"fc.weight": (2048, 1008), "fc.bias": (1008,)}
    for unit in units():
        tensors[f"{unit.name}.conv.weight"] = (*unit.kernel, unit.inputs, unit.outputs)
        for part in ("weight", "bias", "running_mean", "running_var"):
            tensors[f"{unit.name}.bn.{part}"] = (unit.outputs,)
    return tensors
