"""Settings of a process that move numbers without being part of the study: what they are called, and how two differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_NAMES = {
    "onednn": "oneDNN",
    "tf32": "TensorFloat-32",
    "intra_op_threads": "threads within operations",
    "inter_op_threads": "threads between operations",
    "xla": "XLA",
}
Settings = Mapping[str, Any]


def differences(stored: Settings, here: Settings) -> list[str]:
    """Lines such as 'oneDNN was on, here off'; of settings that were never recorded oneDNN's alone."""
    if not stored:
        return [f"oneDNN was not recorded, here {_said(here['onednn'])}"] if "onednn" in here else []
    return [
        f"{_NAMES.get(name, name)} was {_said(stored.get(name))}, here {_said(here.get(name))}"
        for name in dict.fromkeys([*stored, *here])
        if stored.get(name) != here.get(name)
    ]


def mixed(settings: Iterable[Settings]) -> str | None:
    """In what the settings of one study's runs differ, as one sentence; None if in nothing. Empty ones do not count."""
    known = [each for each in settings if each]
    names = list(dict.fromkeys(name for each in known for name in each))
    values = {name: sorted({_said(each.get(name)) for each in known}) for name in names}
    parts = [f"{_NAMES.get(name, name)} {' and '.join(found)}" for name, found in values.items() if len(found) > 1]
    if not parts:
        return None
    return (
        f"numerics: the runs of this study are trained under different settings ({'; '.join(parts)}), which moves scores; "
        "runs.csv names each run's, and runs under one setting alone compare schedules"
    )


def described(settings: Settings) -> str:
    """The settings in a few words, for a page."""
    return ", ".join(f"{_NAMES.get(name, name)} {_said(value)}" for name, value in settings.items())


def _said(value: object) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else "not set" if value is None else str(value)
