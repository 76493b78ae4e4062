"""A step of each published network against PyTorch: `python -m benchmarks.network_speed [--networks NAME ...]`.

Same network (benchmarks/peers/torch_networks.py, torch_objectives.py), batch and updates on both sides, one thread each;
before they are timed, both make the same losses of the same weights and images, or the benchmark ends. PyTorch runs eagerly and
compiled, each in both layouts of memory, and is taken in its fastest form. The sides take turns, round after round; figures
are medians over the rounds. CPU ms is processor time per step, which other work on the machine hardly changes. Prints a
table in Markdown.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks import performance, record

COLOUR = [32, 32, 3]
CASES: dict[
    str, dict[str, Any]
] = {  # by title: as presets, but widths are divided by --narrower, and unet_adm has half the blocks
    "article": {"shape": COLOUR, "latent": 100, "mirrored": True},
    "dcgan 8x8x1": {"network": "dcgan", "shape": [8, 8, 1], "values": {"width": 16}},
    "dcgan 28x28x1": {"network": "dcgan", "shape": [28, 28, 1], "values": {"width": 16}},
    "sngan_resnet32": {"shape": COLOUR, "values": {"width": 256}, "critics": 5, "loss": "hinge", "beta1": 0.0},
    "wgan_gp_resnet32": {
        "shape": COLOUR,
        "values": {"width": 256, "critic_width": 128},
        "critics": 5,
        "loss": "wasserstein_gp",
        "beta1": 0.0,
    },
    "sndcgan": {"shape": COLOUR, "values": {"width": 64}},
    "dcgan_studiogan": {"shape": COLOUR, "values": {"width": 64}, "critics": 2},
    "dcgan_cnn32": {"shape": COLOUR, "values": {"width": 64}, "mirrored": True},
    "r3gan_small": {
        "shape": COLOUR,
        "latent": 64,
        "values": {"width": 192, "blocks": 2},
        "loss": "relativistic",
        "penalties": {"r1": 0.05, "r2": 0.05},
        "beta1": 0.0,
    },
    "unet 28x28x1": {"model": "flow", "network": "unet", "shape": [28, 28, 1], "values": {"width": 16}, "beta1": 0.9},
    "unet_adm": {
        "model": "flow",
        "shape": COLOUR,
        "values": {"width": 128, "blocks": 2, "attention": 16, "dropout": 0.3},
        "beta1": 0.9,
    },
    "conv_vae 28x28x1": {
        "model": "vae",
        "network": "conv_vae",
        "shape": [28, 28, 1],
        "values": {"latent": 16, "width": 16},
        "beta1": 0.9,
    },
}
LOSS = 1e-4  # by which losses of the same weights may differ
OWN = ("dcgan", "unet", "conv_vae")  # as small as they are: never narrower
USUAL = {
    "model": "gan",
    "loss": "non_saturating",
    "penalties": {},
    "critics": 1,
    "beta1": 0.5,
    "latent": 128,
    "values": {},
    "mirrored": False,  # PyTorch pads at the other end: its network is ours of mirrored images
}
FORMS = {
    "eager": {"compiled": False, "layout": "standard"},
    "eager, channels_last": {"compiled": False, "layout": "channels_last"},
    "compiled": {"compiled": True, "layout": "standard"},
    "compiled, channels_last": {"compiled": True, "layout": "channels_last"},
}


@dataclass
class Side:
    """A process of `benchmarks.network_side`, and its milliseconds per step in each round: wall, processor."""

    process: subprocess.Popen[str]
    facts: dict[str, Any] = field(default_factory=dict)
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def answer(self) -> dict[str, Any]:
        """Its next line; SystemExit if it has ended."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"a side ended before it answered: {self.process.args}")
        found: dict[str, Any] = json.loads(line)
        return found

    def time(self, seconds: float) -> None:
        """Train for so long."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        found = self.answer()
        self.wall.append(1e3 * found["seconds"] / found["steps"])
        self.cpu.append(1e3 * found["cpu_s"] / found["steps"])

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def started(python: str, settings: dict[str, Any]) -> Side:
    """A side that begins to train its first steps, and answers when it has."""
    words = [python, "-m", "benchmarks.network_side", json.dumps(settings)]
    pipe = subprocess.PIPE
    return Side(subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True))


def compare(title: str, options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of all forms of a case, and the fastest of PyTorch's."""
    case = {"network": title} | USUAL | CASES[title]
    if case["network"] not in OWN:
        widths = {name: value // options.narrower for name, value in case["values"].items() if name.endswith("width")}
        case["values"] = case["values"] | widths
    case["batch"] = options.batch
    sides = {"ours": started(sys.executable, {**case, "side": "ours"})}
    try:
        for name in options.forms:
            sides[name] = started(options.torch, {**case, "side": "torch", **FORMS[name]})
        for side in sides.values():
            side.facts = side.answer()
        agree(title, {name: side.facts for name, side in sides.items()})
        for _ in range(options.rounds):
            for side in sides.values():
                side.time(options.seconds)
    finally:
        for side in sides.values():
            side.close()
    cpu = {name: statistics.median(side.cpu) for name, side in sides.items()}
    wall = {name: statistics.median(side.wall) for name, side in sides.items()}
    return {
        "title": title,
        **case,
        "cpu_ms": cpu,
        "wall_ms": wall,
        "torch": sides[options.forms[0]].facts["version"],
        "machine": performance.machine_words(record.machine()),
        "best": min(options.forms, key=lambda name: cpu[name]),
    }


def agree(title: str, facts: dict[str, dict[str, Any]]) -> None:
    """SystemExit unless all sides have as many parameters, and make the same losses of the same weights and batch."""
    ours = facts["ours"]
    for name, theirs in facts.items():
        same = np.allclose(theirs["losses"], ours["losses"], rtol=LOSS, atol=LOSS)
        if theirs["parameters"] != ours["parameters"] or not same:
            what = ("parameters", "losses")
            raise SystemExit(
                f"{title}: {name} has {[theirs[each] for each in what]}, but ours {[ours[each] for each in what]}"
            )


HEAD = (
    "network",
    "setting",
    "ours, CPU ms per step",
    "PyTorch eager",
    "torch.compile",
    "ratio: fastest PyTorch / ours",
)


def rows(found: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Processor milliseconds per step of each case, and how many times as long PyTorch takes, under HEAD."""
    made = []
    for each in found:
        cpu = each["cpu_ms"]
        eager, compiled = (
            min((f"{cpu[name]:.1f}" for name in cpu if name.startswith(kind)), key=float, default="–")
            for kind in ("eager", "compiled")
        )
        words = [f"{name} {value}" for name, value in each["values"].items()] + [f"batch {each['batch']}"]
        if each["model"] == "gan":
            words += [each["loss"], *each["penalties"], f"discriminator updates {each['critics']}"]
        ratio = f"{cpu[each['best']] / cpu['ours']:.2f} ({each['best']})"
        made.append((each["title"], ", ".join(words), f"{cpu['ours']:.1f}", eager, compiled, ratio))
    return made


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", nargs="+", choices=CASES, default=list(CASES), metavar="NAME")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--narrower", type=int, default=4, help="divides the published networks' widths (default: 4)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each side in each round, at least")
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS), metavar="FORM", help="of PyTorch")
    parser.add_argument("--torch", default=sys.executable, metavar="PYTHON", help="the interpreter that has PyTorch")
    options = parser.parse_args()
    found = [compare(title, options) for title in options.networks]
    print(performance.table(HEAD, rows(found)))
    ratios = [
        record.figure(
            f"step of {each['title']} against PyTorch's fastest",
            each["cpu_ms"][each["best"]] / each["cpu_ms"]["ours"],
            "x",
        )
        for each in found
    ]
    record.save("network_speed", ratios, found, others={"torch": found[0]["torch"]})


if __name__ == "__main__":
    main()
