"""The page of the studies of published settings, as their files have it."""

from __future__ import annotations

from collections.abc import Iterable

from harness.spec.models import StudySpec

_BEGINNING = """# Studies of published settings

Generated from the study files by `python -m harness.spec studies`; do not edit.

In some of these settings the learning rate is lowered and in others it is not, and their authors say that this helps, harms or
does not matter; hardly anybody published both sides. Each file is a study that trains one setting at its published rate
with and without decay, on the same seeds, so that the claim can be tested. The figures below are the published ones: what a run
should come near where nothing differs. None of ours are here yet.

On a machine with an NVIDIA GPU (`pip install '.[gpu]'`; none of this has been tried on one):

```bash
python -m harness.run_study studies/published/sngan_resnet32_mimicry.toml --dry-run   # plan, cost, warnings
python -m harness.run_study studies/published/sngan_resnet32_mimicry.toml             # runs, resumes, reports
```

Each trains on a CPU as well, by the same steps, but far too slowly to be of use. CIFAR-10 and the Inception weights are
downloaded once; without a network, name them in the file by `data.data_dir` (a folder with `data_batch_1.bin` and so on) and
`evaluate.weights`. A file may be copied and changed: other schedules, or a range for `peak` with `search.trials`, so that each
schedule gets its own best rate.

Seven seeds are the fewest that can decide anything at 5 % between three or four schedules. Studies whose runs take more than
half a day have fewer, and their verdicts are *descriptive only* until `confirm.seeds` is raised: a study grows and keeps the
runs that it has. To see early what a study is like, begin with one seed.

That a step is the original's is shown without a GPU. From the same weights and images, losses, gradients and weights after a
step of `dcgan`, `sngan_resnet32`, `wgan_gp_resnet32`, flow matching's U-Net and DDGAN equal PyTorch's to float32 rounding,
and so do the optimizers' iterates and the outputs of R3GAN's networks (`tests/models/test_published_steps.py`, `test_flow_published.py`,
`test_ddgan.py`, `test_optimizers.py`, `test_r3gan.py`; narrow networks of the same layers). Numbers of weights at full width,
initial distributions and the constants of each layer are compared with the published code's. Two things differ everywhere: batches are drawn with
replacement, not epoch by epoch, and random numbers are our own.

Hours are estimates for one run on one GPU: the arithmetic of its steps, as `python -m benchmarks.published_cost` counts it, at
10 TFLOP/s, unless *differences* says otherwise; evaluations are not counted. Runs are schedules times seeds: the whole study
takes hours times runs.
"""


def published_page(studies: Iterable[StudySpec]) -> str:
    """Markdown of what the studies' [published] say: a table, then each by itself; `studies` in the order of their names."""
    chosen = list(studies)
    lines = [
        _BEGINNING,
        "| study | trains | published figure | schedule there | average there | protocol | hours per run | runs |",
        "|---|---|---|---|---|---|---:|---:|",
        *(_row(each) for each in chosen),
        "",
    ]
    for each in chosen:
        lines += _section(each)
    return "\n".join(lines)


def _row(spec: StudySpec) -> str:
    said = spec.published
    hours = "" if said.gpu_hours is None else f"{said.gpu_hours:g}"
    link = f"[{spec.name}]({spec.name}.toml)"
    cells = (link, _trains(spec), said.figure, said.schedule, said.average, said.protocol, hours, str(_runs(spec)))
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _trains(spec: StudySpec) -> str:
    """Networks and what they descend, by the names of their parts."""
    losses = [part.name for part in (spec.train.loss, *spec.train.penalties)] if spec.model.name == "gan" else []
    parts = [spec.model.name, spec.network.name, *losses]
    return ", ".join(f"`{name}`" for name in parts)


def _runs(spec: StudySpec) -> int:
    """Runs of the whole study."""
    of_each = spec.search.trials + spec.select.top * spec.select.seeds + spec.confirm.seeds
    return len(spec.schedules) * of_each


def _section(spec: StudySpec) -> list[str]:
    """What is said of one study, a line for each thing."""
    said, train = spec.published, spec.train
    batch = f"{train.batch} images"
    if train.generator_batch is not None:
        batch += f" ({train.generator_batch} for the generator)"
    told = {
        "Question": spec.question.text,
        "Comparison": said.comparison,
        "Schedules here": f"{', '.join(f'`{label}`' for label in spec.schedules)}, {spec.confirm.seeds} seeds each",
        "Source": said.source,
        "Step": f"{said.step}; here {train.steps:,} steps of {batch}",
        "Differences": said.differences or "none but those of all",
    }
    lines = [f"- *{key}*: {text}" for key, text in told.items() if text]
    return [f"## {spec.name}", "", f"{spec.title}.", "", *lines, ""]
