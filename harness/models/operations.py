"""What a traced function consists of: which operations a GPU has no kernel for, and how many a step of training launches.

TensorFlow's wheel for Linux is built with CUDA and registers the kernels of GPUs on every machine, so that both can be told
without one. An operation that a GPU has no kernel for runs on the processor, and what it reads and makes is copied over at
every step; each that a GPU runs costs some microseconds to launch, however small it is. XLA fuses most of them.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.lazy import tf
from harness.models.training import Training

# Operations that compute nothing on a device: what goes in comes out, perhaps under another shape; control flow, which the
# processor does; lists of tensors, which hold what others computed.
_IDLE = (
    *("Const", "Identity", "IdentityN", "NoOp", "_Arg", "_Retval", "Placeholder", "ReadVariableOp", "VarHandleOp"),
    *("Reshape", "ExpandDims", "Squeeze", "Bitcast", "StopGradient", "PreventGradient", "EnsureShape", "Shape", "Size"),
    *("Enter", "Exit", "Merge", "Switch", "NextIteration", "LoopCond", "While", "StatelessWhile", "If", "StatelessIf"),
    *("PartitionedCall", "StatefulPartitionedCall"),
)
_LISTS = "TensorList"
_DEVICES = ("GPU", "DEFAULT")


@dataclass(frozen=True)
class Kernel:
    """A kernel that a GPU has: the types that it takes, by attribute, and the arguments that lie in host memory."""

    types: dict[str, frozenset[int]]
    in_host_memory: frozenset[str]

    def takes(self, types: dict[str, int]) -> bool:
        """Whether it is for these types, by attribute."""
        return all(types.get(name) in (None, *allowed) for name, allowed in self.types.items())


@functools.cache
def on_gpu(operation: str) -> tuple[Kernel, ...]:
    """The kernels of an operation on a GPU, by its name."""
    return tuple(
        Kernel(
            {rule.name: frozenset(rule.allowed_values.list.type) for rule in each.constraint},
            frozenset(each.host_memory_arg),
        )
        for each in _registered(operation)
        if each.device_type in _DEVICES
    )


@functools.cache
def _registered(operation: str) -> Any:
    from tensorflow.python.framework import kernels  # no public name tells of kernels

    return kernels.get_registered_kernels_for_op(operation).kernel


def types_of(node: Any) -> dict[str, int]:
    """The types of a node (NodeDef), by attribute."""
    return {name: value.type for name, value in node.attr.items() if value.type}


# --- what a GPU has no kernel for ------------------------------------------------------------------------------------


def without_kernel(function: Any, *, also: Sequence[tf.DType] = ()) -> list[str]:
    """The operations of a traced function that a GPU has no kernel for, each once, with types and the line that made it.

    Those of its loops and branches are among them. Operations that have no kernel anywhere need none. A graph with float16
    in it is looked up with each of the types `also` in its place as well.
    """
    found: dict[str, str] = {}
    half = tf.float16.as_datatype_enum
    for operation in all_of(function):
        node = operation.node_def
        for kind in (half, *(each.as_datatype_enum for each in also)):
            types = {name: kind if each == half else each for name, each in types_of(node).items()}
            if _registered(node.op) and not any(kernel.takes(types) for kernel in on_gpu(node.op)):
                words = ", ".join(f"{name} {tf.as_dtype(each).name}" for name, each in sorted(types.items()))
                found.setdefault(f"{node.op} of {words}", f"{_line(operation)} ({node.name})")
    return [f"{what}, made in {where}" for what, where in found.items()]


def all_of(function: Any) -> Iterator[Any]:
    """All operations of a traced function, those of its loops, its branches and the functions that it calls among them."""
    return _operations(function.graph, set())


def _operations(graph: Any, seen: set[str]) -> Iterator[Any]:
    for operation in graph.get_operations():
        yield operation
        for value in operation.node_def.attr.values():
            for name in (value.func.name, *(each.name for each in value.list.func)):
                inner = graph._get_function(name) if name and name not in seen else None
                seen.add(name)
                if inner is not None and getattr(inner, "graph", None) is not None:
                    yield from _operations(inner.graph, seen)


def _line(operation: Any) -> str:
    """The innermost line of ours, or of the user's, that made an operation: not of TensorFlow or Keras."""
    frames = [
        frame for frame in operation.traceback or () if not {"tensorflow", "keras"} & set(frame.filename.split("/"))
    ]
    return f"{frames[-1].filename.rpartition('/')[2]}, line {frames[-1].lineno}" if frames else "no line of ours"


# --- what a step launches --------------------------------------------------------------------------------------------


def launches(node: Any) -> bool:
    """Whether a node (NodeDef) would launch a kernel on a GPU.

    Not those that compute nothing, nor those whose outputs all lie in host memory there: the arithmetic of shapes, places
    and seeds, which TensorFlow leaves to the processor.
    """
    if node.op in _IDLE or node.op.startswith(_LISTS):
        return False
    kernels = [kernel for kernel in on_gpu(node.op) if kernel.takes(types_of(node))]
    outputs = {each.name for each in _outputs(node.op)}
    return not (kernels and outputs and all(outputs <= kernel.in_host_memory for kernel in kernels))


@functools.cache
def _outputs(operation: str) -> Any:
    from tensorflow.python.framework import op_def_registry

    definition = op_def_registry.get(operation)
    return () if definition is None else tuple(definition.output_arg)


def of_a_step(model: Training) -> Counter[str]:
    """How many operations of each name a step launches, in the loop that is run: after TensorFlow's own optimisations.

    The model must be fresh, and not compiled by XLA: the loop is optimised at its first call, which this makes, with no
    step to train. Both branches of a condition count, as of a penalty that is due at every k-th update.
    """
    if model.xla or model.traces:
        raise ValueError("operations are counted in a loop that has not been called, and that XLA does not compile")
    from tensorflow.python.eager import context

    here = context.context()
    here.enable_graph_collection()
    try:
        model.prepare()
        graphs = here.export_run_metadata().function_graphs
    finally:
        here.disable_graph_collection()
    largest = max((each.post_optimization_graph for each in graphs), key=lambda graph: len(graph.node))
    return Counter(node.op for node in _within_loops(largest.node) if launches(node))


def _within_loops(nodes: Iterable[Any]) -> list[Any]:
    """The nodes between where a loop is entered and where it is left."""
    known = {node.name: node for node in nodes}
    readers: dict[str, list[str]] = {name: [] for name in known}
    for name, node in known.items():
        for place in node.input:
            readers[place.removeprefix("^").partition(":")[0]].append(name)
    reached: set[str] = set()
    waiting = [name for name, node in known.items() if node.op == "Enter"]
    while waiting:
        name = waiting.pop()
        if name not in reached and known[name].op != "Exit":
            reached.add(name)
            waiting += readers[name]
    return [known[name] for name in reached]
