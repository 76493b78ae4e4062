"""Which worker gets which device, and what is set before TensorFlow starts: as far as a CPU can tell."""

import os
import subprocess
import sys
import types
from concurrent.futures import Future
from dataclasses import replace

import pytest

from harness.executors import local, resources
from harness.executors.resources import Machine, WorkerOptions, local_workers
from harness.worker import device, energy, process
from harness.worker.process import WorkerSetup
from tests.study.conftest import make


def changed(*, size=8, threads=1, features="digits", network="dcgan", batch=64):
    """A study of another size; what `checks` would refuse is of no matter here."""
    spec = make()
    return spec.model_copy(
        update={
            "data": spec.data.model_copy(update={"name": "cifar10", "size": size}),
            "train": spec.train.model_copy(update={"threads": threads, "batch": batch}),
            "evaluate": spec.evaluate.model_copy(update={"features": features}),
            "network": spec.network.model_copy(update={"name": network}),
        }
    )


PLENTY = 1e6
WORKERS = {
    "cores, one run each": (changed(), Machine(8, 0, PLENTY), None, 8),
    "cores shared by the threads of a run": (changed(threads=3), Machine(8, 0, PLENTY), None, 2),
    "never none": (changed(threads=8), Machine(2, 0, 100.0), None, 1),
    "no more than there is memory for": (changed(), Machine(64, 0, 3000.0), None, 3),
    "Inception takes more of it": (changed(features="inception"), Machine(64, 0, 3000.0), None, 1),
    "four small networks share a GPU": (changed(size=16), Machine(64, 2, PLENTY), None, 8),
    "two middling ones": (changed(size=32), Machine(64, 2, PLENTY), None, 4),
    "a large one has it alone": (changed(size=64), Machine(64, 2, PLENTY), None, 2),
    "each needs a core": (changed(size=16), Machine(6, 2, PLENTY), None, 6),
    "every GPU is used, whatever the cores": (changed(size=64), Machine(2, 4, PLENTY), None, 4),
    "as many as were asked for": (changed(size=64), Machine(4, 2, PLENTY), 3, 6),
}


@pytest.mark.parametrize("case", WORKERS)
def test_default_workers(case):
    spec, here, workers_per_gpu, expected = WORKERS[case]
    options = WorkerOptions(workers_per_gpu=workers_per_gpu)
    assert local_workers(spec, here, options, runs=1000) == expected
    assert local_workers(spec, here, options, runs=1) == 1
    assert local_workers(spec, here, replace(options, workers=5), runs=1) == 5  # as the command line has it


def test_the_default_is_said_with_its_reasons():
    said = resources.describe(changed(), Machine(8, 2, 16e3), workers=4)
    assert said == "4 local workers (2 GPUs, 8 cores, 1 per run; about 1.0 GB per worker, 16.0 GB free)"


def test_larger_networks_take_more_memory():
    small, large = changed(size=32, network="article"), changed(size=32, network="article", batch=256)
    assert resources.worker_mb(changed()) < resources.worker_mb(small) < resources.worker_mb(large)


def test_workers_take_the_gpus_in_turn_and_without_gpus_none():
    setup = WorkerSetup(make(), work=None, cache=None, gpu=None, commit="c")
    five = local.LocalExecutor(setup, workers=5, gpus=2)
    assert [each.gpu for each in five._setups] == [0, 1, 0, 1, 0]
    assert [(each.processor_workers, each.gpu_workers) for each in five._setups] == [(5, on) for on in (3, 2, 3, 2, 3)]
    two = local.LocalExecutor(setup, workers=2)
    assert [(each.gpu, each.processor_workers, each.gpu_workers) for each in two._setups] == [(None, 2, None)] * 2


def test_a_worker_meters_its_gpu_where_tensorflow_uses_it_and_nothing_where_nobody_says_who_shares_it(monkeypatch):
    monkeypatch.setattr(energy, "meter", lambda workers: workers)
    setup = WorkerSetup(make(), work=None, cache=None, gpu=0, commit="c", processor_workers=6, gpu_workers=3)
    for used, expected in {True: {"processor": 6, "gpu": 3}, False: {"processor": 6}}.items():
        monkeypatch.setattr(device, "on_gpu", lambda used=used: used)
        assert process._meter(setup) == expected
    assert process._meter(replace(setup, processor_workers=None, gpu_workers=None)) == {}


class Pool:
    """Stands for a worker's process: notes what it is to do."""

    def __init__(self, noted):
        self._noted = noted

    def submit(self, task, *_):
        self._noted.append(task.__name__)
        done = Future()
        done.set_result({})
        return done


def test_all_workers_start_and_get_ready_while_the_first_measures_unless_no_runs_follow(monkeypatch):
    setup = WorkerSetup(make(), work=None, cache=None, gpu=None, commit="c")
    for question, expected in {"summary": ["get_ready"] * 2, "probe": []}.items():
        executor, noted = local.LocalExecutor(setup, workers=3), [[], [], []]

        def started(slot, executor=executor, noted=noted):
            executor._pools[slot] = executor._pools[slot] or Pool(noted[slot])
            return executor._pools[slot]

        monkeypatch.setattr(executor, "_pool", started)
        executor.ask(question).result()
        assert noted[0] == ["answer", *expected[:1]]
        assert noted[1] + noted[2] == expected


def test_gpus_are_those_that_this_process_may_see(monkeypatch):
    for visible, expected in {"3,5": 2, "GPU-1f,GPU-2e,GPU-3d": 3, "": 0, "-1": 0}.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert len(resources.gpus()) == expected


class Recorder(types.ModuleType):
    """Stands for TensorFlow on a machine with a GPU: notes what is asked of it, and what the environment then says."""

    def __init__(self):
        super().__init__("tensorflow")
        self.calls, self.seen = [], dict(os.environ)

    def __getattr__(self, name):
        return _Named(self.calls, name)


class _Named:
    def __init__(self, calls, name):
        self._calls, self._name = calls, name

    def __getattr__(self, name):
        return _Named(self._calls, f"{self._name}.{name}")

    def __call__(self, *arguments):
        self._calls.append((self._name, *arguments))
        return ["the GPU"] if self._name == "config.list_physical_devices" else None


@pytest.mark.parametrize(
    ("visible", "gpu", "expected"),
    [("3,5", 1, "5"), ("GPU-1f,GPU-2e", 0, "GPU-1f"), (None, 2, "2"), ("3,5", None, "-1")],
)
def test_a_worker_sees_one_gpu_and_asks_for_memory_growth_before_anything_runs(monkeypatch, visible, gpu, expected):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    if visible is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible

    class Finder:
        """Makes the module at its import, so that it sees the environment of that moment."""

        def find_spec(self, name, path=None, target=None):
            if name == "tensorflow":
                import importlib.machinery

                return importlib.machinery.ModuleSpec(name, self)
            return None

        def create_module(self, spec):
            return Recorder()

        def exec_module(self, module):
            pass

    # Set before it is removed: of a module that is absent, `delitem` alone would leave what is imported here to all tests
    # that follow, and TensorBoard would keep it for TensorFlow.
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.delitem(sys.modules, "tensorflow")
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    device.configure(threads=3, gpu=gpu)
    module = sys.modules["tensorflow"]
    assert module.seen["CUDA_VISIBLE_DEVICES"] == expected
    assert module.seen["OMP_NUM_THREADS"] == "3"
    assert module.calls[:4] == [
        ("config.threading.set_intra_op_parallelism_threads", 3),
        ("config.threading.set_inter_op_parallelism_threads", 1),
        ("config.list_physical_devices", "GPU"),
        ("config.experimental.set_memory_growth", "the GPU", True),
    ]
    deterministic = [("config.experimental.enable_op_determinism",), ("random.set_seed", 0)]
    assert module.calls[4:] == (deterministic if gpu is not None else [])


LOGICAL = """
import numpy as np
from harness.worker import device
device.configure(threads=1, gpu=None)
import keras, tensorflow as tf
tf.config.set_soft_device_placement(False)
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from harness.worker import context
from harness.seeds import Seeds
from tests.study.conftest import make
made = {}
for place, precision in (("/CPU:0", "float32"), ("/CPU:1", "float32"), ("/CPU:1", "mixed_bfloat16")):
    spec = make()
    spec = spec.model_copy(update={"train": spec.train.model_copy(update={"precision": precision, "batch": 8})})
    with tf.device(place):
        shop = context.build(spec, cache=None, commit="c")
        shop.model.start(Seeds(1, 2, 3, 4))
        shop.model.advance(dict.fromkeys(shop.model.networks, np.full(3, 1e-3, np.float32)))
        images = shop.model.generate(shop.latents, weights="raw")
        features = shop.evaluator.extractor(shop.images.held_out)
        made[place, precision] = images, features, shop.model.state()
one, two, mixed = made.values()
assert keras.config.dtype_policy().name == "float32"
assert (one[0] == two[0]).all() and (one[1] == two[1]).all() and (mixed[1] == one[1]).all()
assert all((one[2][name] == two[2][name]).all() for name in one[2])
assert (mixed[0] != one[0]).any() and np.abs(mixed[0].astype(int) - one[0]).mean() < 10
print(one[1].dtype, *sorted({str(array.dtype) for array in mixed[2].values()}))
"""


@pytest.mark.slow
def test_another_device_gives_the_same_numbers_and_mixed_precision_reaches_neither_weights_nor_metrics():
    done = subprocess.run([sys.executable, "-c", LOGICAL], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split()[0] in ("float32", "float64")
    assert set(done.stdout.split()[1:]) == {"float32", "int64"}


def test_neither_driver_nor_worker_loads_tensorflow_before_its_device_is_set():
    code = "import sys, harness.driver.command, harness.worker.process; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
