"""One thread for TensorFlow in all tests, set before it starts: numbers are compared bit for bit. Ctrl-C is heard.

Property tests draw the same examples every time, so that no test passes or fails by luck. To look for new failing
examples, run them with HYPOTHESIS_PROFILE=explore, and keep what is found as an `@example`.
"""

import os
import signal

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts jobs in its background, and children inherit
    signal.signal(signal.SIGINT, signal.default_int_handler)

from pathlib import Path

import hypothesis
import pytest

from harness import kinds

# A busy machine draws slowly, which says nothing about a test.
hypothesis.settings.register_profile(
    "fixed", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile("explore", derandomize=False, deadline=None, max_examples=2000, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


# Files that take minutes: begun first, so that no process is left alone with one of them at the end. pytest-xdist would put
# those with few tests last: --no-loadscope-reorder keeps the order.
LONG = ("study/test_cluster.py", "study/test_command.py", "study/test_faults.py", "test_extend.py", "test_own_code.py")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Put the long files first; the order is a random one within both groups, as before."""
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONG))


@pytest.fixture(scope="module", autouse=True)
def _parts_of_a_module():
    """Parts of users' own files that a test module brings in are known in it alone: lists of parts do not depend on order."""
    before = dict(kinds._adopted)
    yield
    kinds._adopted = before


@pytest.fixture(autouse=True)
def _parts_of_a_test(monkeypatch):
    """And those that a test brings in, in that test alone."""
    monkeypatch.setattr(kinds, "_adopted", dict(kinds._adopted))


@pytest.fixture(scope="session")
def fashion_mnist():
    """The folder with Fashion-MNIST's IDX files, or None: HARNESS_FASHION_MNIST, or shared/ beside the checkout."""
    named = os.environ.get("HARNESS_FASHION_MNIST")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data" / "fashion-mnist"
    return folder if (folder / "train-images-idx3-ubyte.gz").is_file() else None


@pytest.fixture(scope="session")
def cifar10_jpeg():
    """The archive of CIFAR-10 as JPEG files, test/CLASS/*.jpg, or None: HARNESS_CIFAR10_JPEG, or shared/ beside the checkout."""
    named = os.environ.get("HARNESS_CIFAR10_JPEG")
    shared = Path(__file__).parents[2] / "shared" / "data" / "cifar10-jpeg" / "cifar10-jpeg.zip"
    archive = Path(named) if named else shared
    return archive if archive.is_file() else None
