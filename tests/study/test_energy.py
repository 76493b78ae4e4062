"""Energy of runs: what is counted, what is left alone, and what is unknown, on made-up machines."""

import threading
from pathlib import Path

import pytest

from harness.worker import energy
from harness.worker.energy import GPU, PROCESSOR, Counter, CounterError, Meter

INTEL, AMD = 262143.32885, 65532.610987  # joules after which counters of the two begin anew


def zone(root, place, name, joules, *, turn=INTEL):
    folder = root / place
    folder.mkdir(parents=True)
    for file, text in {
        "name": name,
        "energy_uj": round(joules * 1e6),
        "max_energy_range_uj": round(turn * 1e6),
    }.items():
        (folder / file).write_text(f"{text}\n")
    return folder / "energy_uj"


@pytest.fixture
def server(tmp_path):
    """Two packages with what lies within them, the whole board, and the first package's second address."""
    (tmp_path / "intel-rapl").mkdir()  # the control type
    zone(tmp_path, "intel-rapl:0", "package-0", 100)
    zone(tmp_path, "intel-rapl:0:0", "core", 60)
    zone(tmp_path, "intel-rapl:0:1", "dram", 5)
    zone(tmp_path, "intel-rapl:1", "package-1", 7)
    zone(tmp_path, "intel-rapl:2", "psys", 1000)
    zone(tmp_path, "intel-rapl-mmio:0", "package-0", 100)
    return tmp_path


def test_packages_are_counted_once_and_neither_what_is_in_them_nor_memory_nor_the_board(server):
    assert [(each.part, each.read(), each.turn) for each in energy.packages(server)] == [
        (PROCESSOR, 100, INTEL),
        (PROCESSOR, 7, INTEL),
    ]


def test_each_die_of_a_package_has_a_counter(tmp_path):
    for die in range(2):
        zone(tmp_path, f"intel-rapl:{die}", f"package-0-die-{die}", 10 + die)
    assert [each.read() for each in energy.packages(tmp_path)] == [10, 11]


def test_why_packages_cannot_be_read_is_said(server, tmp_path, monkeypatch):
    with pytest.raises(CounterError, match="virtual machines and containers have none"):
        energy.packages(tmp_path / "none")
    (server / "intel-rapl:1" / "energy_uj").write_text("")
    with pytest.raises(CounterError, match="'', not a number of microjoules"):
        energy.packages(server)
    read = Path.read_text

    def denied(path, *arguments, **words):
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return read(path, *arguments, **words)

    monkeypatch.setattr(Path, "read_text", denied)
    with pytest.raises(CounterError, match=r"root alone.*administrator may allow it: chmod a\+r"):
        energy.packages(server)
    assert not energy.meter({PROCESSOR: 1}, root=server).parts


@pytest.mark.parametrize(
    ("turn", "before", "after", "seconds", "expected"),
    [
        (INTEL, 100.0, 350.0, 10.0, 250.0),
        (INTEL, INTEL - 40.0, 60.0, 10.0, 100.0),  # it began anew once
        (INTEL, 0.0, 200_000.0, 250.0, 200_000.0),
        (INTEL, 0.0, 200_000.0, 263.0, None),  # at 1000 W it may have begun anew
        (AMD, 0.0, 100.0, 66.0, None),
        (INTEL, 5000.0, 0.0, 10.0, None),  # set back, as after a sleep: 257 kJ in 10 s are no package's
        (INTEL, 0.0, 0.3, 1e-6, 0.3),  # readings closer than the counter's own steps
        (None, 100.0, 1e9, 1e6, 1e9 - 100.0),
        (None, 100.0, 99.0, 10.0, None),  # the driver was loaded again
    ],
)
def test_energy_between_readings_is_right_or_unknown(turn, before, after, seconds, expected):
    found = Counter(PROCESSOR, lambda: 0.0, turn).used(after - before, seconds=seconds)
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-9))


class Bench:
    """Two packages and a GPU that show what they are told; a clock."""

    def __init__(self, workers):
        self.shown, self.now, self.gone = [0.0, 0.0, 0.0], 0.0, set()
        counters = [Counter(part, lambda place=place: self.read(place)) for place, part in enumerate(PARTS)]
        self.meter = Meter(counters, workers, clock=lambda: self.now)

    def read(self, place):
        if place in self.gone:
            raise CounterError("gone")
        return self.shown[place]

    def passes(self, seconds, *joules):
        self.now += seconds
        self.shown = [before + more for before, more in zip(self.shown, joules, strict=True)]


PARTS = (PROCESSOR, PROCESSOR, GPU)


def test_a_part_is_the_sum_of_its_counters_divided_by_the_workers_that_share_it():
    bench = Bench({PROCESSOR: 4, GPU: 2})
    bench.passes(5, 1000, 1000, 1000)  # before the run
    with bench.meter as meter:
        assert meter.joules() == {PROCESSOR: 0, GPU: 0}
        bench.passes(1, 100, 20, 300)
        assert meter.joules() == {PROCESSOR: 30, GPU: 150}
        bench.passes(1, 10, 0, 0)
        assert meter.joules() == {PROCESSOR: 32.5, GPU: 150}


def test_a_counter_that_is_gone_for_a_while_leaves_its_part_unknown_and_no_other():
    bench = Bench({})
    with bench.meter as meter:
        bench.passes(1, 1, 2, 3)
        bench.gone = {1}
        assert meter.joules() == {GPU: 3}
        bench.gone = set()
        bench.passes(1, 1, 2, 3)
        assert meter.joules() == {GPU: 6}


def test_counters_are_read_while_the_run_does_something_else(monkeypatch):
    monkeypatch.setattr(energy, "_READ_SECONDS", 0.001)
    main, elsewhere = threading.get_ident(), threading.Event()

    def read():
        if threading.get_ident() != main:
            elsewhere.set()
        return 0.0

    with Meter([Counter(GPU, read)]):
        assert elsewhere.wait(60)


class Nvml:
    """Stands for NVIDIA's library: three GPUs, one of them divided and one too old to count."""

    uuids = ("GPU-a", "GPU-divided", "GPU-old")

    def __init__(self):
        self.millijoules = 5000

    def nvmlDeviceGetHandleByIndex_v2(self, index, device):
        device._obj.value = index.value + 1  # a handle of 0 would be none
        return 0 if index.value < len(self.uuids) else 2

    def nvmlDeviceGetHandleByUUID(self, uuid, device):
        name = uuid.value.decode()
        device._obj.value = self.uuids.index(name) + 1 if name in self.uuids else None
        return 0 if name in self.uuids else 6

    def nvmlDeviceGetMigMode(self, device, current, pending):
        current._obj.value = pending._obj.value = int(device.value == 2)
        return 0 if device.value < 3 else 3

    def nvmlDeviceGetTotalEnergyConsumption(self, device, millijoules):
        millijoules._obj.value = self.millijoules
        return 0 if device.value < 3 else 3


def test_a_gpu_is_found_by_number_or_uuid_and_counts_joules():
    library = Nvml()
    for name in ("0", " GPU-a"):
        counter = energy.gpu(name, lambda: library)
        library.millijoules = 7250
        assert (counter.part, counter.read(), counter.turn) == (GPU, 7.25, None)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("1", r"divided \(MIG\)"),
        ("GPU-divided", r"divided \(MIG\)"),
        ("2", "from Volta on"),
        ("3", "nvmlDeviceGetHandleByIndex_v2 answers 2"),
        ("MIG-b", "nvmlDeviceGetHandleByUUID answers 6"),
    ],
)
def test_why_a_gpu_cannot_be_read_is_said(name, words):
    with pytest.raises(CounterError, match=words):
        energy.gpu(name, Nvml)


def test_other_numbering_old_drivers_and_none_are_told_apart(monkeypatch):
    with pytest.raises(CounterError, match="driver is too old for nvmlDeviceGetHandleByIndex_v2"):
        energy.gpu("0", object)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    with pytest.raises(CounterError, match="CUDA_DEVICE_ORDER is FASTEST_FIRST"):
        energy.gpu("0", Nvml)
    assert energy.gpu("GPU-a", Nvml).read() == 5


def test_a_meter_has_the_parts_that_are_asked_for_and_can_be_read(server, monkeypatch):
    def missing():
        raise CounterError("no driver")

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a")
    both = {PROCESSOR: 1, GPU: 1}
    assert energy.meter(both, root=server, load=Nvml).parts == {PROCESSOR, GPU}
    assert energy.meter(both, root=server, load=missing).parts == {PROCESSOR}
    assert energy.meter(both, root=server / "none", load=Nvml).parts == {GPU}
    assert energy.meter({}, root=server, load=Nvml).parts == set()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert energy.meter({GPU: 1}, root=server, load=Nvml).parts == set()
    with energy.meter({}) as nothing:
        assert nothing.joules() == {}
