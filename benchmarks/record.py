"""What every benchmark writes: its figures with command, date, machine and versions, as JSON in benchmarks/out/."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

OUT = Path(__file__).parent / "out"
PACKAGES = ("tensorflow", "keras", "torch", "jax", "numpy", "scipy", "optuna", "pandas", "scikit-learn", "ray")


def machine() -> dict[str, Any]:
    """Processor, cores this process may use, memory in GiB, system."""
    from harness.worker.context import processor

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def versions(names: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Versions of the packages that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def figure(what: str, value: float, unit: str, *, target: str = "", met: bool | None = None) -> dict[str, Any]:
    """One number of the performance page; `target` as the issue states it, and whether it is met."""
    return {"what": what, "value": value, "unit": unit, "target": target, "met": met}


def save(
    name: str,
    figures: Sequence[dict[str, Any]],
    details: Any,
    *,
    short: bool = False,
    others: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Write out/NAME.json: `figures` for the page, `details` all that was measured; print where.

    `others` are versions of packages that another interpreter of the benchmark has.
    """
    OUT.mkdir(exist_ok=True)
    path = OUT / f"{name}.json"
    content = {
        "benchmark": name,
        "command": f"python -m benchmarks.{name.partition('-')[0]} {shlex.join(sys.argv[1:])}".strip(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "short": short,
        "machine": machine(),
        "versions": versions() | others,
        "figures": list(figures),
        "details": details,
    }
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)
    print(f"written: {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    return path
