"""One thread for TensorFlow in all tests, set before it starts: numbers are compared bit for bit. Ctrl-C is heard."""

import os
import signal

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts jobs in its background, and children inherit
    signal.signal(signal.SIGINT, signal.default_int_handler)

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def fashion_mnist():
    """The folder with Fashion-MNIST's IDX files, or None: HARNESS_FASHION_MNIST, or shared/ beside the checkout."""
    named = os.environ.get("HARNESS_FASHION_MNIST")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data" / "fashion-mnist"
    return folder if (folder / "train-images-idx3-ubyte.gz").is_file() else None
