"""The frozen graph of 2015-12-05 (`classify_image_graph_def.pb`) as a container of weights: its constants, renamed."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.lazy import tf
from harness.metrics.features import inception_architecture as architecture

_STEM = {unit.name: f"conv_{index}" if index else "conv" for index, unit in enumerate(architecture.STEM)}
_BLOCKS = ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")
_TOWERS = {
    "branch5x5": "tower",
    "branch7x7": "tower",
    "branch3x3": "tower",
    "branch3x3dbl": "tower_1",
    "branch7x7dbl": "tower_1",
    "branch7x7x3": "tower_1",
    "branch_pool": "tower_2",
}
_PARTS = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def scope(name: str) -> str:
    """The graph's name of the unit that the state dict calls `name`: Mixed_7c.branch3x3dbl_3b is
    mixed_10/tower_1/mixed/conv_1."""
    if name in _STEM:
        return _STEM[name]
    matched = re.fullmatch(r"Mixed_(\w\w)\.(branch(?:_pool|[0-9x]+(?:dbl)?))(?:_(\d)([ab]?))?", name)
    if matched is None:
        raise ValueError(f"'{name}' is no unit of the network")
    block, branch, position, end = matched.groups()
    index = _BLOCKS.index(block)
    prefix = f"mixed_{index}" if index else "mixed"
    if branch == "branch1x1" or (block == "6a" and branch == "branch3x3"):
        return f"{prefix}/conv"
    tower = "tower" if block == "6a" else _TOWERS[branch]
    if end:
        return f"{prefix}/{tower}/mixed/{'conv' if end == 'a' else 'conv_1'}"
    number = int(position or 1) - 1
    return f"{prefix}/{tower}/conv" + (f"_{number}" if number else "")


def constants(content: bytes) -> dict[str, NDArray[Any]]:
    """The network's tensors, by the state dict's names, from the graph's bytes; KeyError where one is missing."""
    graph = tf.compat.v1.GraphDef.FromString(content)
    stored = {node.name: node.attr["value"].tensor for node in graph.node if node.op == "Const"}

    def value(name: str) -> NDArray[Any]:
        return np.asarray(tf.make_ndarray(stored[name]))

    tensors = {"fc.weight": value("softmax/weights"), "fc.bias": value("softmax/biases")}
    for unit in architecture.units():
        prefix = scope(unit.name)
        tensors[f"{unit.name}.conv.weight"] = value(f"{prefix}/conv2d_params")
        for ours, theirs in _PARTS.items():
            tensors[f"{unit.name}.bn.{ours}"] = value(f"{prefix}/batchnorm/{theirs}")
    return tensors
