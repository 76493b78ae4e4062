"""A training step against PyTorch, JAX and Keras: `python -m benchmarks.training_speed [--network quick] [--quick]`.

Same networks and batch on every side (`benchmarks.peers.check` is run first and shows it), each in its
own process with its own threads: one worker of one thread, one of two, and two of one thread at the same time. The sides
take turns, round after round, and every figure is a median over the rounds. PyTorch is taken in its faster layout. Sides in
bfloat16 are set against each other, and ours against ours in float32. What compiling takes is not in the steps.
"Peak" is the best rate of float32 square matrix products, measured in the same rounds; CPU ms is processor time per step,
which other work on the machine hardly changes where wall time suffers (on two threads it also counts waiting).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks import record
from benchmarks.peers.plan import PLANS, step_flop
from benchmarks.training_side import BATCH, STEPS

WORKERS = {"1 x 1": (1, 1), "1 x 2": (1, 2), "2 x 1": (2, 1)}  # workers x threads
TITLES = {
    "ours": "ours",
    "ours_bfloat16": "ours, mixed_bfloat16",
    "torch": "PyTorch eager",
    "torch_bfloat16": "PyTorch eager, bfloat16 autocast",
    "torch_compiled": "torch.compile",
    "jax": "JAX jit",
    "keras": "Keras tutorial",
}
OURS = {"torch_bfloat16": "ours_bfloat16"}  # which of ours is set against a peer; else "ours"
LAYOUTS = {"torch": ("standard", "channels_last"), "torch_bfloat16": ("standard", "channels_last")}
TOGETHER = (("1 x 1", "2 x 1"), ("1 x 2",))  # workers whose processes live at the same time, for the memory's sake


class Worker:
    """A process of `benchmarks.training_side`; it sets up at once."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.training_side", json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, seconds: float) -> None:
        """Have it run for so long."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, float]:
        """Its next answer; the first says how long its first step took."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"a side ended before it answered: {self._settings}")
        return json.loads(line)

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@dataclass
class Contender:
    """A side in one layout on a number of workers, and what was read from it."""

    side: str
    workers: str
    variant: str
    processes: list[Worker]
    facts: dict[str, float]
    readings: list[dict[str, float]] = field(default_factory=list)

    def read(self, seconds: float) -> None:
        """Time it once: the workers at the same time."""
        for process in self.processes:
            process.ask(seconds)
        answers = [process.answer() for process in self.processes]
        if self.side == "matmul":
            self.readings.append({kind: sum(answer[kind] for answer in answers) for kind in answers[0]})
            return
        steps = sum(answer["steps"] for answer in answers)
        self.readings.append(
            {
                "steps_per_s": sum(answer["steps"] / answer["seconds"] for answer in answers),
                "cpu_ms_per_step": 1e3 * sum(answer["cpu_s"] for answer in answers) / steps,
            }
        )

    def median(self, kind: str) -> float:
        """Median over the rounds."""
        return float(np.median([reading[kind] for reading in self.readings]))

    def rate(self) -> float:
        """Median steps per second over all workers; for matrix products GFLOP per second of the best kind."""
        return self.median(self.kind() if self.side == "matmul" else "steps_per_s")

    def kind(self) -> str:
        """The best kind of matrix product."""
        return max(self.readings[0], key=self.median)


def started(network: str, sides: list[str], together: tuple[str, ...], opened: list[Worker]) -> list[Contender]:
    """All that take turns, set up; every process is also put into `opened`. Both workers of a pair are of one kind."""
    found = []
    for side in (*sides, "matmul"):
        for variant in LAYOUTS.get(side, ("standard",)):
            count, threads = max(WORKERS[workers] for workers in together)
            settings = {"side": side, "network": network, "layout": variant, "threads": threads}
            processes = [Worker(settings) for _ in range(count)]
            opened += processes
            facts = [process.answer() for process in processes]
            found += [
                Contender(side, workers, variant, processes[: WORKERS[workers][0]], facts[0]) for workers in together
            ]
    return sorted(found, key=lambda each: together.index(each.workers))


def timed(network: str, sides: list[str], *, rounds: int, seconds: float) -> list[Contender]:
    """All contenders with their readings."""
    found = []
    for together in TOGETHER:
        opened: list[Worker] = []
        try:
            contenders = started(network, sides, together, opened)
            for _ in range(rounds):
                for each in contenders:
                    each.read(seconds)
        finally:
            for process in opened:
                process.close()
        found += contenders
    return found


def table(network: str, found: list[Contender]) -> list[dict[str, Any]]:
    """A row for each side and number of workers, PyTorch in its faster layout."""
    flop = step_flop(PLANS[network](), BATCH)
    peaks = {each.workers: each.rate() for each in found if each.side == "matmul"}
    rows = []
    for workers in WORKERS:
        own = {each.side: each.rate() for each in found if each.workers == workers and each.side.startswith("ours")}
        for side, title in TITLES.items():
            same = [each for each in found if (each.side, each.workers) == (side, workers)]
            if not same:
                continue
            best = max(same, key=Contender.rate)
            rate, mine = best.rate(), own[side if side in own else OURS.get(side, "ours")]
            spread = [reading["steps_per_s"] for reading in best.readings]
            row = {
                "network": network,
                "workers": workers,
                "side": title,
                "variant": best.variant if side in LAYOUTS else "",
                "ms_per_step": 1e3 * WORKERS[workers][0] / rate,
                "images_per_s": BATCH * rate,
                "low": BATCH * min(spread),
                "high": BATCH * max(spread),
                "gflop_per_s": 1e-9 * flop * rate,
                "share_of_peak": 1e-9 * flop * rate / peaks[workers],
                "ours_is_faster": mine / rate,
                "cpu_ms_per_step": best.median("cpu_ms_per_step"),
                "first_step_s": best.facts["first_step_s"],
            }
            if side == "keras":  # one trace per trial, as the tutorials have it
                whole = STEPS / rate * WORKERS[workers][0] + best.facts["first_step_s"]
                row["ms_per_step_with_trace"] = 1e3 * whole / STEPS
                row["ours_is_faster_with_trace"] = mine / (STEPS * WORKERS[workers][0] / whole)
            rows.append(row)
    return rows


def figures(network: str, rows: list[dict[str, Any]], peak: float) -> list[dict[str, Any]]:
    """The numbers that the issue sets targets for: best against best in one process, and over all workers."""

    def fastest(side: str, workers: tuple[str, ...]) -> float:
        return max(
            (row["images_per_s"] for row in rows if row["side"] == side and row["workers"] in workers), default=0
        )

    one, everything = ("1 x 1", "1 x 2"), tuple(WORKERS)
    made = _of_bfloat16(network, rows)
    targets = {"article": {"PyTorch eager": 1.5, "JAX jit": 3.0}}.get(network, {})
    sides = [side for side, title in TITLES.items() if not side.startswith("ours") and fastest(title, everything)]
    for side in sides:
        own, peer = TITLES[OURS.get(side, "ours")], TITLES[side]
        for scope, workers in (("one process", one), ("both cores", everything)):
            ratio = fastest(own, workers) / fastest(peer, workers)
            target = targets.get(peer) if scope == "both cores" else None
            made.append(
                record.figure(
                    f"training step, {network}, {scope}: {own} against {peer}",
                    ratio,
                    "x",
                    target=f"≥ {target:g}" if target else "",
                    met=ratio >= target if target else None,
                )
            )
    peers = [TITLES[side] for side in sides if side not in OURS]
    if network == "quick" and peers:
        ratio = fastest("ours", one) / max(fastest(peer, one) for peer in peers)
        made.append(
            record.figure(
                "training step, quick, one process: ours against the best peer",
                ratio,
                "x",
                target="≥ 1.8",
                met=ratio >= 1.8,
            )
        )
    flop = step_flop(PLANS[network](), BATCH)
    made.append(
        record.figure(f"training, {network}: images per second on both cores", fastest("ours", everything), "/s")
    )
    share = 1e-9 * flop * fastest("ours", everything) / BATCH / peak
    target = network == "article"
    made.append(
        record.figure(
            f"training, {network}, all workers: share of the matrix-multiply peak",
            100 * share,
            "%",
            target="≥ 60" if target else "",
            met=share >= 0.6 if target else None,
        )
    )
    return made


def _of_bfloat16(network: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ours in bfloat16 against ours in float32, on each number of workers and threads; none where it was not timed."""
    rates = {(row["side"], row["workers"]): row["images_per_s"] for row in rows}
    made = []
    for workers in WORKERS:
        coarse, fine = (rates.get((TITLES[side], workers)) for side in ("ours_bfloat16", "ours"))
        if coarse and fine:
            ratio, aimed = coarse / fine, network == "article"
            made.append(
                record.figure(
                    f"training step, {network}, {workers}: mixed_bfloat16 against float32",
                    ratio,
                    "x",
                    target="≥ 1.6" if aimed else "",
                    met=ratio >= 1.6 if aimed else None,
                )
            )
    return made


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--network", choices=list(PLANS), help="default: both")
    options.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    options.add_argument(
        "--sides", nargs="+", choices=list(TITLES)[1:], default=list(TITLES)[1:], help="which besides ours in float32"
    )
    options.add_argument("--no-check", action="store_true", help="do not first compare the networks")
    chosen = options.parse_args()
    rounds, seconds = (5, 0.5) if chosen.quick else (9, 0.8)
    if not chosen.no_check:
        checked = subprocess.run([sys.executable, "-m", "benchmarks.peers.check"], capture_output=True, text=True)
        if checked.returncode:
            sys.exit(f"a peer is another network:\n{checked.stdout}{checked.stderr[-2000:]}")
        print("the peers' networks are ours: outputs and losses agree to 1e-4 (benchmarks.peers.check)")
    for network in [chosen.network] if chosen.network else list(PLANS):
        found = timed(network, ["ours", *chosen.sides], rounds=rounds, seconds=seconds)
        rows = table(network, found)
        peaks = {each.workers: (each.kind(), each.rate()) for each in found if each.side == "matmul"}
        peak = max(rate for _, rate in peaks.values())
        made = figures(network, rows, peak)
        show(network, rows, peaks, made)
        details = {"rows": rows, "peaks": peaks, "step_gflop": 1e-9 * step_flop(PLANS[network](), BATCH)}
        details["readings"] = {f"{each.side} {each.variant} {each.workers}": each.readings for each in found}
        record.save(f"training_speed-{network}", made, details, short=chosen.quick)


def show(network: str, rows: list[dict[str, Any]], peaks: dict[str, Any], made: list[dict[str, Any]]) -> None:
    """Print everything."""
    plan = PLANS[network]()
    shape = f"{plan.side}x{plan.side}x{plan.channels}"
    print(f"\n{network}: {plan.name} at {shape}, batch {BATCH}, {1e-9 * step_flop(plan, BATCH):.3f} GFLOP per step")
    machine = record.machine()
    print(f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB; {record.versions()}")
    for workers, (kind, rate) in peaks.items():
        print(f"peak of {workers} thread: {rate:.0f} GFLOP/s ({kind})")
    print(
        f"{'workers x threads':18}{'side':34}{'ms/step':>9}{'CPU ms':>8}{'images/s':>10}{'(low-high)':>16}{'peak':>7}{'ours':>8}"
    )
    for row in rows:
        name = f"{row['side']} {row['variant']}".strip()
        spread = f"({row['low']:.0f}-{row['high']:.0f})"
        end = ""
        if "ms_per_step_with_trace" in row:
            end = f"  with its trace of {row['first_step_s']:.1f} s per trial of {STEPS} steps: {row['ms_per_step_with_trace']:.2f} ms, x{row['ours_is_faster_with_trace']:.2f}"
        print(
            f"{row['workers']:18}{name:34}{row['ms_per_step']:9.2f}{row['cpu_ms_per_step']:8.2f}{row['images_per_s']:10.0f}{spread:>16}"
            f"{row['share_of_peak']:7.1%}{'x' + format(row['ours_is_faster'], '.2f'):>8}{end}"
        )
    for each in made:
        goal = f"   target {each['target']}: {'met' if each['met'] else 'NOT MET'}" if each["target"] else ""
        print(f"{each['what']}: {each['value']:.2f} {each['unit']}{goal}")


if __name__ == "__main__":
    main()
