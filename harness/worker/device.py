"""What must be set before TensorFlow starts: threads, which GPU, memory growth; and what the device is called."""

from __future__ import annotations

import os
import platform
from typing import Any

# Variables that change how the same numbers are computed; recorded where they are set.
MOVING = (
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
    "TF_DETERMINISTIC_OPS",
    "TF_CUDNN_DETERMINISTIC",
    "TF_DISABLE_MKL",
    "TF_SET_ONEDNN_FPMATH_MODE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "NVIDIA_TF32_OVERRIDE",
    "CUBLAS_WORKSPACE_CONFIG",
    "OPENBLAS_CORETYPE",
    "NPY_DISABLE_CPU_FEATURES",
)


def configure(*, threads: int, gpu: int | None) -> None:
    """Prepare this process for one run at a time on `threads` CPU threads, and on GPU number `gpu` if there is one.

    Must be called before TensorFlow is first used. The number of threads is part of the experiment: sums are rounded
    in another order on another number.
    """
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # as nvidia-smi counts, which counted the GPUs
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if gpu is not None:
        devices = [each for each in visible.split(",") if each.strip()]
        os.environ["CUDA_VISIBLE_DEVICES"] = devices[gpu] if gpu < len(devices) else str(gpu)
    else:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, True)
    if gpu is not None:
        tf.config.experimental.enable_op_determinism()
        tf.random.set_seed(0)  # determinism asks for a global seed; no draw of ours uses it


def on_gpu() -> bool:
    """Whether runs are trained on a GPU."""
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def describe() -> str:
    """The device runs are trained on: the GPU's name, or 'CPU' with the machine's architecture."""
    import tensorflow as tf

    for device in tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(device)
        return str(details.get("device_name", "GPU"))
    return f"CPU ({platform.machine()})"


def numerics() -> dict[str, Any]:
    """The settings of this process that move numbers, as TensorFlow has them; after `configure`.

    `onednn` is whether TensorFlow takes oneDNN's kernels, of which the variable TF_ENABLE_ONEDNN_OPTS, the build and
    the processor decide. Those of the variables in `MOVING` that are set stand under their own names.
    """
    import tensorflow as tf
    from tensorflow.python.util import _pywrap_util_port  # no public name says it

    return {
        "onednn": bool(_pywrap_util_port.IsMklEnabled()),
        "tf32": bool(tf.config.experimental.tensor_float_32_execution_enabled()),
        "intra_op_threads": int(tf.config.threading.get_intra_op_parallelism_threads()),
        "inter_op_threads": int(tf.config.threading.get_inter_op_parallelism_threads()),
        **{name: os.environ[name] for name in MOVING if name in os.environ},
    }


def facts() -> dict[str, Any]:
    """What TensorFlow is built for, and the GPUs that it sees with name and generation (compute capability).

    Keys: version, cuda, cudnn ("" where it is built without), kernels, gpus, tf32, onednn. Needs no `configure`.
    """
    import tensorflow as tf
    from tensorflow.python.util import _pywrap_util_port  # no public name says it

    build = tf.sysconfig.get_build_info()
    details = [tf.config.experimental.get_device_details(each) for each in tf.config.list_physical_devices("GPU")]
    return {
        "version": str(tf.__version__),
        "cuda": str(build.get("cuda_version", "")),
        "cudnn": str(build.get("cudnn_version", "")),
        "kernels": tuple(map(str, build.get("cuda_compute_capabilities", ()))),
        "gpus": [
            {"name": str(each.get("device_name", "GPU")), "capability": each.get("compute_capability")}
            for each in details
        ],
        "tf32": bool(tf.config.experimental.tensor_float_32_execution_enabled()),
        "onednn": bool(_pywrap_util_port.IsMklEnabled()),
    }
