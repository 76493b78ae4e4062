"""Which version of the harness trains the runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

from harness.version import __version__


def commit() -> str:
    """The commit of the code that runs, with '+' if files were changed since; 'release' outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return f"release {__version__}"
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return described.stdout.strip()
