"""The GPU extra's pinned versions are what the installed TensorFlow asks for; `scripts/check_gpu_extra` asks the index."""

import importlib.metadata
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PINNED = {
    canonicalize_name(requirement.name): next(iter(requirement.specifier)).version
    for requirement in map(Requirement, (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines())
}


def asked():
    """NVIDIA's libraries that TensorFlow's extra asks for."""
    found = [Requirement(line) for line in importlib.metadata.requires("tensorflow") or ()]
    return [each for each in found if each.marker is not None and each.marker.evaluate({"extra": "and-cuda"})]


def test_the_extra_is_tensorflow_s_own():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (requirement,) = map(Requirement, project["optional-dependencies"]["gpu"])
    assert (requirement.name, requirement.extras) == ("tensorflow", {"and-cuda"})
    assert Version(PINNED["tensorflow"]) in requirement.specifier


def test_every_library_that_tensorflow_asks_for_has_a_version_that_it_allows():
    libraries = [each for each in asked() if each.name.startswith("nvidia-")]
    assert libraries
    for each in libraries:
        assert Version(PINNED[canonicalize_name(each.name)]) in each.specifier, each


def test_nothing_of_nvidia_is_pinned_that_tensorflow_does_not_ask_for():
    assert {name for name in PINNED if name.startswith("nvidia-")} <= {canonicalize_name(each.name) for each in asked()}


def test_cudnn_has_code_for_every_gpu_that_tensorflow_has_kernels_for():
    """From 9.11 on it has none for GPUs before compute capability 7.5, such as V100 and P100."""
    assert Version(PINNED["nvidia-cudnn-cu12"]) < Version("9.11")
