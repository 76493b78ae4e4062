"""What a container allows this process: cores by its quota, memory by its limit (Linux control groups, both versions)."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def cores(root: Path = ROOT, membership: str | None = None) -> float | None:
    """Cores' worth of time that the tightest group allows; None where there is no quota."""
    allowed = []
    for folder in _folders(root, "cpu", membership):
        quota, period = _words(folder / "cpu.max") or (
            *(_words(folder / "cpu.cfs_quota_us") or ["max"]),
            *(_words(folder / "cpu.cfs_period_us") or ["100000"]),
        )
        if quota.isdecimal() and period.isdecimal() and int(period):
            allowed.append(int(quota) / int(period))
    return min(allowed, default=None)


def memory_mb(root: Path = ROOT, membership: str | None = None) -> float | None:
    """Megabytes that the tightest group has left, counting what it only caches as free; None where there is no limit."""
    left = []
    for folder in _folders(root, "memory", membership):
        most = _words(folder / "memory.max") or _words(folder / "memory.limit_in_bytes")
        used = _words(folder / "memory.current") or _words(folder / "memory.usage_in_bytes")
        if most and used and most[0].isdecimal() and int(most[0]) < 2**60:  # version 1 says "none" by a huge number
            left.append((int(most[0]) - int(used[0]) + _cached(folder)) / 1e6)
    return max(min(left), 0.0) if left else None


def _cached(folder: Path) -> int:
    """Bytes of files that are kept in memory until it is wanted."""
    words = _words(folder / "memory.stat") or []
    found = dict(zip(words[::2], words[1::2], strict=False))
    return int(found.get("total_inactive_file") or found.get("inactive_file") or 0)


def _folders(root: Path, controller: str, membership: str | None) -> list[Path]:
    """The folders of this process's group and of those above it; within a container they may be the root alone."""
    if membership is None:
        try:
            membership = Path("/proc/self/cgroup").read_text(encoding="utf-8")
        except OSError:
            membership = ""
    found = [root, root / controller]
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or controller in controllers.split(","):
            top = root if not controllers else root / controller
            inside = top / path.lstrip("/")
            found += [inside, *(above for above in inside.parents if top in above.parents)]
    return list(dict.fromkeys(found))


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError:
        return []
