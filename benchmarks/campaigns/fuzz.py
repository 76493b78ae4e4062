"""The fuzz campaign: bad inputs of every kind must end in a valid value or in one sentence that names the file.

`python -m benchmarks.campaigns.fuzz [--inputs 12000] [--seed 1]` prints inputs, refusals and findings by target; its exit
status is 1 if there are findings. A short form runs in the suite (tests/test_fuzz.py). A finding is any other
exception than the module's own, a message that names no file or has several lines (a study file lists all its faults,
a line each), an input that takes more than 20 seconds, or a refused input that left files behind.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import pickle
import random
import shutil
import sqlite3
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from harness import spec as specs
from harness.data import DataError
from harness.data import folder as folders
from harness.data.sets import fashion_mnist
from harness.driver import folder, preflight
from harness.driver.database import StorageError, sqlite_url
from harness.driver.folder import Folder, FolderError
from harness.driver.store import TrialStore
from harness.metrics import cache, frechet
from harness.metrics import images as inputs
from harness.metrics.features import inception, weights_files
from harness.models import checkpoints
from harness.report import build
from harness.results import ResultsError, load
from tests.report import example

SLOW_SECONDS = 20.0
STUDY = (Path(__file__).resolve().parents[2] / "harness" / "spec" / "quick.toml").read_text(encoding="utf-8")
WORDS = (
    '"', "'", "\\", "../../etc/passwd", "/etc/passwd", "\0", "\n", "[", "]", "[[", "{", "=", "#", "1e999", "-1", "0", "nan",
    "inf", "-inf", "true", "9" * 400, "1.5", "[]", "{}", '""', "<script>alert(1)</script>", "{{ 7 * 7 }}", "%s", "é漢字🎨",
    "\u202e", "2020-01-01", "0x10", "con", "a" * 5000, '"digits"', '"linear"', "low", "high", "e", ".", ",",
)  # fmt: skip


class _Evil:
    """Unpickled, it would call something; a marker file would say so."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("import pathlib; pathlib.Path('/tmp/harness-fuzz-was-unpickled').touch()",))


def flipped(content: bytes, rng: random.Random) -> bytes:
    """`content` with bits flipped, a piece cut out, doubled, moved or replaced, or its end cut off."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        if not data:
            return rng.randbytes(rng.randint(0, 64))
        place, length = rng.randrange(len(data)), rng.randint(1, 1 + len(data) // 8)
        how = rng.randrange(6)
        if how == 0:
            data[place] ^= 1 << rng.randrange(8)
        elif how == 1:
            del data[place : place + length]
        elif how == 2:
            data[place:place] = data[place : place + length]
        elif how == 3:
            del data[place:]
        elif how == 4:
            data[place : place + length] = rng.randbytes(length)
        else:
            data[place : place + 8] = rng.choice((b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7))
    return bytes(data)


def edited(text: str, rng: random.Random) -> str:
    """`text` with words put in, values replaced, lines dropped, doubled or swapped."""
    lines = text.split("\n")
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(lines))
        line, how = lines[place], rng.randrange(6)
        if how == 0 and "=" in line:
            lines[place] = line.split("=")[0] + "= " + rng.choice(WORDS)
        elif how == 1 and line:
            spot = rng.randrange(len(line))
            lines[place] = line[:spot] + rng.choice(WORDS) + line[spot:]
        elif how == 2 and len(lines) > 1:
            del lines[place]
        elif how == 3:
            lines.insert(place, line)
        elif how == 4:
            other = rng.randrange(len(lines))
            lines[place], lines[other] = lines[other], lines[place]
        elif "=" in line:
            lines[place] = rng.choice(WORDS) + " =" + line.split("=", 1)[1]
    return "\n".join(lines)


def replaced(value: Any, rng: random.Random) -> Any:
    """A JSON value with one leaf or branch dropped or replaced."""
    strange = (
        None,
        True,
        -1,
        10**400,
        1e308,
        float("nan"),
        "",
        "漢",
        "<b>",
        [],
        {},
        [[]],
        {"a": []},
        "../..",
        "x" * 3000,
    )
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        if rng.random() < 0.15:
            return {name: each for name, each in value.items() if name != key}
        return {name: replaced(each, rng) if name == key else each for name, each in value.items()}
    if isinstance(value, list) and value and rng.random() < 0.7:
        place = rng.randrange(len(value))
        return [replaced(each, rng) if other == place else each for other, each in enumerate(value)]
    return rng.choice(strange)


@dataclass
class Target:
    """One reader: `prepare` writes an input (from a random stream) beneath a folder, `use` reads it."""

    prepare: Callable[[Path, random.Random], Path]
    use: Callable[[Path], Any]
    refusals: tuple[type[Exception], ...]
    weight: int = 1
    many_lines: bool = False
    writes: bool = False  # whether reading may write where the input lies


def _written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _study_file(home: Path, rng: random.Random) -> Path:
    text = edited(STUDY, rng).encode(errors="surrogatepass") if rng.random() < 0.9 else flipped(STUDY.encode(), rng)
    return _written(home / "study.toml", text)


def _study(path: Path) -> None:
    preflight.check(specs.load(path), source=str(path))


class _Results:
    """Damaged copies of a results folder."""

    def __init__(self, home: Path) -> None:
        self.folder = example.results(home / "sound", seeds=8, points=2, traced=True)
        spec = specs.builtin()  # so that a resumed study may accept what is sound
        study = json.loads((self.folder / "study.json").read_text(encoding="utf-8"))
        study |= {"name": spec.name, "spec": specs.resolved(spec)}
        (self.folder / "study.json").write_text(json.dumps(study), encoding="utf-8")

    def prepare(self, home: Path, rng: random.Random) -> Path:
        copy = home / "results"
        shutil.copytree(self.folder, copy)
        name = rng.choice(("study.json", "study.json", "runs.csv", "runs.csv", "curves.csv", "traces.csv"))
        path = copy / name
        content = path.read_bytes()
        if name == "study.json" and rng.random() < 0.8:
            path.write_text(json.dumps(replaced(json.loads(content), rng)), encoding="utf-8")
        elif rng.random() < 0.7:
            rows = [line.split(",") for line in content.decode().split("\n")]
            for _ in range(rng.randint(1, 3)):
                row = rng.choice(rows)
                row[rng.randrange(len(row))] = rng.choice(WORDS)
            path.write_text("\n".join(",".join(row) for row in rows), encoding="utf-8", errors="surrogatepass")
        else:
            path.write_bytes(flipped(content, rng))
        return copy


def _database(home: Path, rng: random.Random, sound: bytes) -> Path:
    return _written(
        home / "results" / "study.db", flipped(sound, rng) if rng.random() < 0.9 else rng.randbytes(999)
    ).parent


def _open_database(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store = TrialStore(specs.builtin(), sqlite_url(path), primary="fid_digits_5k")
        store.study._storage.remove_session()


def _checkpoint(home: Path, rng: random.Random) -> Path:
    path = home / "run.npz"
    home.mkdir(parents=True, exist_ok=True)
    checkpoints.save(path, {"w": np.arange(20.0)}, {"step": 3})
    content = path.read_bytes()
    if rng.random() < 0.2:  # sound checksum over a hostile body
        import hashlib

        body = rng.choice(
            (pickle.dumps(_Evil()), _zip({"meta.json.npy": b"x", "../evil.npy": b"y"}), rng.randbytes(99))
        )
        content = checkpoints.MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body
        path.write_bytes(content)
    else:
        path.write_bytes(flipped(content, rng))
    return path


def _zip(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def _array_file(home: Path, rng: random.Random) -> Path:
    pictures = np.random.default_rng(rng.randrange(2**32)).integers(0, 256, (4, 8, 8, 1), dtype=np.uint8)
    choices: list[tuple[str, bytes]] = [
        ("x.npy", flipped(_npy(pictures), rng)),
        ("x.npz", flipped(_npz(images=pictures), rng)),
        ("x.npz", flipped(_npz(mu=np.zeros(3), sigma=np.eye(3)), rng)),
        ("x.npy", _npy(np.array([_Evil()], dtype=object))),
        ("x.npz", _npz(mu=np.array([_Evil()], dtype=object), sigma=np.eye(1))),
        ("x.npz", _npz(mu=np.zeros(rng.randint(0, 3)), sigma=np.zeros((rng.randint(0, 3),) * rng.randint(1, 3)))),
        ("x.npz", _npz(mu=np.full(2, np.nan), sigma=np.eye(2))),
        ("x.npz", _zip({"../../x.npy": _npy(pictures)})),
        ("x.npz", _zip({"a.npy": b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999, 8, 8, 1), }".ljust(128)})),
        ("x.npy", _npy(rng.choice((pictures.astype(float), pictures[..., 0], pictures[:0], pictures.repeat(2, -1))))),
    ]  # fmt: skip
    name, content = rng.choice(choices)
    return _written(home / name, content)


def _image_folder(home: Path, rng: random.Random) -> Path:
    place = home / "pictures"
    kind, name = rng.choice((("PNG", "a.png"), ("JPEG", "a.jpg"), ("WEBP", "a.webp")))
    stream = io.BytesIO()
    size = (rng.randint(1, 40), rng.randint(1, 40))
    Image.new(rng.choice(("L", "RGB")), size, 7).save(stream, kind)
    _written(place / name, flipped(stream.getvalue(), rng))
    return place


def _read_input(path: Path) -> None:
    for _ in inputs.read(path, name="GENERATED").images():
        pass


def _train_folder(path: Path) -> None:
    folders.load(folders.survey(path), size=8, channels=1, how="crop")


def _idx(home: Path, rng: random.Random) -> Path:
    header = bytes((0, 0, 8, 3)) + b"".join(number.to_bytes(4, "big") for number in (3, 28, 28))
    return _written(home / "images-idx3-ubyte", flipped(header + bytes(3 * 784), rng))


def _weights(home: Path, rng: random.Random) -> Path:
    tensors = {"fc.weight": np.zeros((2048, 8), np.float32)}
    choices: list[tuple[str, bytes]] = [
        ("w.npz", flipped(_npz(**tensors), rng)),
        ("w.npz", _npz(a=np.array([_Evil()], dtype=object))),
        ("w.pth", pickle.dumps(_Evil())),
        ("w.pth", _zip({"archive/data.pkl": pickle.dumps(_Evil()), "archive/version": b"3"})),
        ("w.pth", _zip({"archive/data.pkl": flipped(pickle.dumps({"a": 1}), rng)})),
        ("w.pth", flipped(_zip({"archive/data.pkl": pickle.dumps({"a": [1]}), "archive/data/0": bytes(16)}), rng)),
        ("w.pth", rng.randbytes(200)),
        ("w.pb", rng.randbytes(rng.randint(0, 300))),
        ("w.txt", b"weights"),
    ]
    name, content = rng.choice(choices)
    return _written(home / name, content)


def _inception(path: Path) -> None:
    weights_files.read(path, further=inception.READERS)


def _cache(home: Path, rng: random.Random) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    path = home / "reference.npz"
    moments = frechet.Moments.of(np.eye(3))
    cache.write(path, cache.RealFeatures(moments, np.eye(3, dtype=np.float32)))
    path.write_bytes(flipped(path.read_bytes(), rng))
    return path


def _check_folder(path: Path) -> None:
    folder.check(Folder(path), specs.builtin(), source="built-in")


def targets(home: Path) -> dict[str, Target]:
    """All readers, by name."""
    home.mkdir(parents=True)
    results = _Results(home)
    sound = home / "database"
    sound.mkdir()
    _open_database(sound)
    with contextlib.closing(sqlite3.connect(sound / "study.db")) as connection:
        database = connection.serialize()
    return {
        "study file": Target(_study_file, _study, (specs.SpecError, preflight.CheckError), weight=50, many_lines=True),
        "results folder, read": Target(results.prepare, load, (ResultsError,), weight=18),
        "results folder, report": Target(results.prepare, build, (ResultsError,), weight=0, writes=True),
        "results folder, resumed": Target(results.prepare, _check_folder, (FolderError,), weight=10, many_lines=True),
        "database": Target(
            lambda place, rng: _database(place, rng, database), _open_database, (StorageError,), weight=2, writes=True
        ),
        "checkpoint": Target(_checkpoint, checkpoints.read, (checkpoints.CheckpointError,), weight=12),
        "arrays to score": Target(_array_file, _read_input, (ValueError,), weight=12),
        "folder to score": Target(_image_folder, _read_input, (ValueError,), weight=8),
        "folder to train on": Target(_image_folder, _train_folder, (DataError,), weight=8),
        "IDX file": Target(_idx, fashion_mnist._idx, (DataError,), weight=8),
        "Inception weights": Target(_weights, _inception, (weights_files.WeightsError,), weight=10),
        "reference cache": Target(_cache, cache.read, (), weight=8),
    }


@dataclass
class Campaign:
    """Inputs made, refused, accepted, and findings, by target."""

    home: Path
    seed: int
    made: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    def conduct(self, count: int, *, reports: int = 0) -> None:
        """`count` inputs shared out by weight, and `reports` whole reports."""
        found = targets(self.home / "targets")
        total = sum(target.weight for target in found.values())
        for name, target in found.items():
            number = reports if name.endswith("report") else round(count * target.weight / total)
            for place in range(number):
                self._one(name, target, f"{self.seed}/{name}/{place}")

    def _one(self, name: str, target: Target, seed: str) -> None:
        place = Path(tempfile.mkdtemp(dir=self.home))
        path = target.prepare(place, random.Random(seed))
        before = set(place.rglob("*"))
        started = time.monotonic()
        self.made[name] += 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                target.use(path)
        except target.refusals as error:
            self.refused[name] += 1
            text = str(error)
            if not target.many_lines and "\n" in text.strip():
                self._find(seed, f"several lines: {text!r}")
            if path.name not in text and str(place) not in text:
                self._find(seed, f"names no file: {text!r}")
            if not target.writes and set(place.rglob("*")) != before:
                self._find(seed, "left files behind")
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            self._find(seed, f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})")
        if time.monotonic() - started > SLOW_SECONDS:
            self._find(seed, f"took {time.monotonic() - started:.0f} s")
        if Path("/tmp/harness-fuzz-was-unpickled").exists():
            Path("/tmp/harness-fuzz-was-unpickled").unlink()
            self._find(seed, "was unpickled")
        shutil.rmtree(place)

    def _find(self, seed: str, text: str) -> None:
        self.findings.append(f"{seed}: {text[:400]}")

    def report(self) -> str:
        """A line a target, then the findings."""
        lines = [f"{'target':24}{'inputs':>8}{'refused':>9}{'accepted':>10}"]
        lines += [f"{name:24}{n:8}{self.refused[name]:9}{n - self.refused[name]:10}" for name, n in self.made.items()]
        lines.append(f"{self.made.total()} inputs, {len(self.findings)} findings")
        return "\n".join([*lines, *self.findings])


def main() -> None:
    """Run the long form."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--inputs", type=int, default=12_000)
    options.add_argument("--reports", type=int, default=40, help="damaged folders that a whole report is made of")
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as home:
        campaign = Campaign(Path(home), chosen.seed)
        campaign.conduct(chosen.inputs, reports=chosen.reports)
    print(campaign.report())
    sys.exit(1 if campaign.findings else 0)


if __name__ == "__main__":
    main()
