"""The networks and images of DINOv2's golden features."""

from typing import NamedTuple

# name -> width, depth, heads
NETWORKS = {"tiny": (48, 3, 3), "vitb14": (768, 12, 12), "vitl14": (1024, 24, 16)}


class Case(NamedTuple):
    network: str
    resize: str
    height: int
    width: int
    count: int
    seed: int

    def __str__(self):
        return "-".join(map(str, self))


SIZES = ((8, 8), (32, 32), (224, 224), (300, 240))
CASES = [
    *(
        Case("tiny", resize, *size, 3, 10 + place)
        for place, size in enumerate(SIZES)
        for resize in ("bicubic224", "bicubic224float")
    ),
    Case("vitb14", "bicubic224", 32, 32, 3, 20),
    Case("vitl14", "bicubic224", 32, 32, 2, 21),
]
