"""All benchmarks, one table: `python -m benchmarks.performance [--short] [--only NAME ...] [--page]`.

Runs each script of BENCHMARKS in its own process, prints one table of their figures, and writes results/performance.md
from what each wrote to benchmarks/out/, or, of those that were not run again here, from what is committed in
results/performance/, which it brings up to date; `--page` only does the latter. A benchmark whose packages are missing is
left out and named.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import record

PAGE = Path(__file__).resolve().parents[1] / "results" / "performance.md"
KEPT = PAGE.with_suffix("")  # what the page is made of


@dataclass(frozen=True)
class Benchmark:
    """A script of this folder, the words that make it short, and packages it needs besides ours."""

    name: str
    short: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


BENCHMARKS = (
    Benchmark("training_speed", ("--quick",), ("torch", "jax")),
    Benchmark("study_speed", ("--quick",)),
    Benchmark("workers", ("--runs", "2", "--steps", "500")),
    Benchmark("evaluation_speed"),
    Benchmark("metrics_speed"),
    Benchmark("checkpoint_cost"),
    Benchmark("operations", ("dcgan", "conv_vae")),
    Benchmark("driver_cost", ("--runs", "10", "100", "--concurrent", "100", "--seconds", "5")),
    Benchmark("worker_memory", ("--runs", "40")),
    Benchmark("report_scale", ("1000",)),
    Benchmark("growth", ("--quick",)),
    Benchmark("sharing"),
    Benchmark("own_network_speed", ("--rounds", "5")),
    Benchmark("averages_cost", ("--rounds", "5")),
    Benchmark("network_speed", ("--networks", "dcgan 8x8x1", "--rounds", "2", "--seconds", "2"), ("torch",)),
)


def run(benchmark: Benchmark, *, short: bool) -> str:
    """Run a benchmark, its output to the terminal; why it has no result, or ''."""
    if importlib.util.find_spec(f"benchmarks.{benchmark.name}") is None:
        return "is not in this checkout"
    missing = [name for name in benchmark.needs if importlib.util.find_spec(name) is None]
    if missing:
        return f"needs {', '.join(missing)}: install the extra 'bench'"
    words = [sys.executable, "-m", f"benchmarks.{benchmark.name}", *(benchmark.short if short else ())]
    print(f"\n=== {benchmark.name}", flush=True)
    status = subprocess.run(words, check=False).returncode
    return f"exit status {status}" if status else ""


def stored() -> list[dict[str, Any]]:
    """What the benchmarks wrote, in the order of BENCHMARKS: of each the latest, here or committed."""
    names = [benchmark.name for benchmark in BENCHMARKS]
    latest: dict[str, dict[str, Any]] = {}
    for path in (*sorted(KEPT.glob("*.json")), *sorted(record.OUT.glob("*.json"))):
        content = json.loads(path.read_text(encoding="utf-8"))
        if _script(content) in names and content["date"] >= latest.get(path.stem, content)["date"]:
            latest[path.stem] = content
    return sorted(latest.values(), key=lambda each: (names.index(_script(each)), each["benchmark"]))


def keep(contents: Sequence[dict[str, Any]]) -> None:
    """Write what the page is made of, so that figures that are not measured again stay with their dates."""
    KEPT.mkdir(parents=True, exist_ok=True)
    for content in contents:
        details = content["details"]
        if isinstance(details, dict):  # single readings are not shown
            details = {name: value for name, value in details.items() if name != "readings"}
        text = json.dumps({**content, "details": details}, indent=1, ensure_ascii=False)
        (KEPT / f"{content['benchmark']}.json").write_text(text + "\n", encoding="utf-8")


def _script(content: dict[str, Any]) -> str:
    return str(content["benchmark"]).partition("-")[0]


def number(value: float) -> str:
    """Three significant digits, whole numbers whole."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def figure_rows(contents: Sequence[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Figure, value, target, and whether it is met, of every figure."""
    words = {True: "yes", False: "**no**", None: ""}
    return [
        (each["what"], f"{number(each['value'])} {each['unit']}".strip(), each["target"], words[each["met"]])
        for content in contents
        for each in content["figures"]
    ]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are set to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(contents: Sequence[dict[str, Any]]) -> str:
    """The performance page of what the benchmarks wrote."""
    if not contents:
        raise ValueError(f"{record.OUT} holds no result of a benchmark; run python -m benchmarks.performance")
    machines = sorted({machine_words(each["machine"]) for each in contents})
    packages: dict[str, str] = {}
    for content in contents:
        packages |= content["versions"]
    parts = [
        "# Performance",
        "Written by `python -m benchmarks.performance` (extra `bench`) from what the benchmarks measured; do not edit. "
        "Ratios are of sides that took turns in one run on one machine.",
        *(f"Machine: {machine}." for machine in machines),
        f"Versions: {', '.join(f'{name} {version}' for name, version in sorted(packages.items()))}.",
        "## Figures",
        table(("figure", "value", "target", "met"), figure_rows(contents)),
    ]
    for script, made in DETAILS.items():
        details = [content["details"] for content in contents if _script(content) == script]
        if details and isinstance(details[0], list):  # one table of all
            details = [[row for rows in details for row in rows]]
        for each in details:
            parts += made(each)
    parts += [
        "## Commands",
        table(
            ("command", "date", "form", "processor"),
            [
                (
                    f"`{each['command']}`",
                    each["date"],
                    "short" if each["short"] else "full",
                    each["machine"]["processor"],
                )
                for each in contents
            ],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def machine_words(machine: dict[str, Any]) -> str:
    """A machine in one line."""
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']:g} GiB, {machine['system']}, "
        f"Python {machine['python']}"
    )


def training_details(details: dict[str, Any]) -> list[str]:
    """Every side of the training step."""
    rows = details["rows"]
    peaks = "; ".join(f"{workers}: {rate:.0f} GFLOP/s ({kind})" for workers, (kind, rate) in details["peaks"].items())
    body = []
    for row in rows:
        traced = row.get("ms_per_step_with_trace")
        body.append(
            (
                row["workers"],
                f"{row['side']} {row['variant']}".strip(),
                f"{row['ms_per_step']:.2f}" + (f" ({traced:.2f} with its trace)" if traced else ""),
                f"{row['cpu_ms_per_step']:.2f}",
                f"{row['images_per_s']:,.0f}",
                f"{100 * row['share_of_peak']:.0f} %",
                f"{row['ours_is_faster']:.2f}",
            )
        )
    head = ("workers x threads", "side", "ms per step", "CPU ms per step", "images/s", "of peak", "ours is faster by")
    return [
        f"## Training step: {rows[0]['network']}, {details['step_gflop']:.3g} GFLOP",
        f"Peak of float32 matrix products, workers x threads: {peaks}. Medians over rounds.",
        table(head, body),
    ]


def growth_details(rows: list[dict[str, Any]]) -> list[str]:
    """The growth table."""
    from benchmarks.growth import UNITS

    body = [
        (
            row["axis"],
            str(row["value"]),
            f"{row['seconds']:.2f}",
            f"{number(1e3 * row['unit'])} {UNITS[row['axis']]}",
            f"{row['peak_mb']:.0f}",
        )
        for row in rows
    ]
    head = ("axis", "value", "seconds", "time a unit", "peak MB")
    return ["## Growth", "Level time a unit means linear growth. `dcgan` of width 16, one thread.", table(head, body)]


def network_details(found: list[dict[str, Any]]) -> list[str]:
    """The table of the networks' steps."""
    from benchmarks.network_speed import HEAD, rows

    return [
        "## Step time of each network",
        "The same network in PyTorch, which makes the same losses of the same weights and images; one thread each; processor "
        "time, medians over rounds in which the sides took turns. A step is an update of every network: of a generator after "
        "so many updates of its discriminator. PyTorch is eager and compiled, in one or both layouts of memory; the faster "
        "layout stands here, and the ratio is to the fastest of all; a dash: not measured. Measured on: "
        f"{'; '.join(sorted({each['machine'] for each in found}))}.",
        table(HEAD, rows(found)),
    ]


def operations_details(details: dict[str, Any]) -> list[str]:
    """What a step launches on a GPU without XLA, by network."""
    rows = [
        (
            each["network"],
            f"{each['before']:,}",
            f"{each['now']:,}",
            f"{100 * (1 - each['now'] / each['before']):.0f} %",
        )
        for each in details["rows"]
    ]
    return [
        "## Operations of a step",
        "Counted in the plain loop after TensorFlow's own optimisations, for each network on the smallest images that it "
        "fits, without those that compute nothing or that the processor does (harness/models/operations.py). On a GPU each is "
        "a launch; XLA, the default there, fuses most of them.",
        table(("network", f"at {details['commit']}", "now", "fewer"), rows),
    ]


DETAILS = {
    "training_speed": training_details,
    "growth": growth_details,
    "network_speed": network_details,
    "operations": operations_details,
}


def write(contents: Sequence[dict[str, Any]]) -> None:
    """Print the table, and write the page with what it is made of."""
    print()
    for what, value, target, met in figure_rows(contents):
        print(f"{what:90} {value:>14}  {target:8} {met.strip('*')}")
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(contents), encoding="utf-8")
    keep(contents)
    print(f"written: {PAGE}")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--short", action="store_true", help="the short form of each")
    options.add_argument("--only", nargs="+", choices=[each.name for each in BENCHMARKS], metavar="NAME", default=[])
    options.add_argument("--page", action="store_true", help="run nothing; write the page of what is stored")
    chosen = options.parse_args()
    left_out = {}
    if not chosen.page:
        for benchmark in BENCHMARKS:
            if not chosen.only or benchmark.name in chosen.only:
                reason = run(benchmark, short=chosen.short)
                if reason:
                    left_out[benchmark.name] = reason
    write(stored())
    for name, reason in left_out.items():
        print(f"left out: {name}: {reason}", file=sys.stderr)
    return 1 if left_out else 0


if __name__ == "__main__":
    sys.exit(main())
