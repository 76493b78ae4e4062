"""Sample grids as Optuna's dashboard finds them: under names of its own, in a folder of links."""

from __future__ import annotations

import contextlib
import os
import uuid

from harness.driver.folder import Folder


def artifact_id(picture: str) -> str:
    """The name under which Optuna knows a sample grid: its dashboard serves hexadecimal ones only."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, picture))


def link(folder: Folder, picture: str) -> None:
    """Link a sample grid where the dashboard looks for it, on file systems that have links: it is a courtesy."""
    path, target = folder.artifacts / artifact_id(picture), folder.samples / picture
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        path.symlink_to(os.path.relpath(target, path.parent))
