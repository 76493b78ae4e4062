"""A Ray cluster trains the same numbers as one local worker, also when nodes and processes are lost."""

import io
import shutil
import signal
import subprocess
import sys
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import psutil
import pytest

import harness
from benchmarks.campaigns.faults import tables
from tests.study.test_command import run, start, write

MEMORY = 80 * 2**20


@contextmanager
def cluster(nodes):
    """A Ray cluster of `nodes` raylets of one CPU each on this machine; the first is the head."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 1, "object_store_memory": MEMORY, "include_dashboard": False}
        made = Cluster(initialize_head=True, head_node_args=head)
        try:
            for _ in range(nodes - 1):
                made.add_node(num_cpus=1, object_store_memory=MEMORY)
            yield made
        finally:
            made.shutdown()


def study(folder, steps=1500):
    return write(folder, steps=steps, seeds=3)


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """The tables of one local worker left in peace."""
    folder = tmp_path_factory.mktemp("truth")
    code, _, err = run(study(folder), "--workers", 1, cwd=folder)
    assert code == 0, err
    return tables(folder / "results" / "tiny")


def trainers():
    """The processes in which actors of ours live."""
    processes = psutil.process_iter(["cmdline"])
    return [each for each in processes if "ray::_Worker" in " ".join(each.info["cmdline"] or [])]


def progressing(folder, process):
    """Wait until some run has left a checkpoint."""
    work = folder / "results" / "tiny" / "checkpoints"
    while process.poll() is None and not list(work.glob("*.npz")):
        time.sleep(0.05)
    assert process.poll() is None, process.communicate()


@pytest.mark.slow
def test_one_node_gives_the_tables_of_a_local_worker_and_a_killed_process_changes_nothing(truth, tmp_path):
    with cluster(1) as ray:
        process = start(study(tmp_path), "--cluster", ray.address, cwd=tmp_path)
        progressing(tmp_path, process)
        for each in trainers():
            each.kill()
        out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert "1 nodes, 1 CPUs; 1 runs at a time" in out
    assert "worker died (killed, or out of memory)" in out
    assert tables(tmp_path / "results" / "tiny") == truth


@pytest.mark.slow
def test_three_nodes_one_of_them_lost_give_the_same_tables(truth, tmp_path):
    with cluster(3) as ray:
        process = start(study(tmp_path), "--cluster", ray.address, cwd=tmp_path)
        progressing(tmp_path, process)
        ray.remove_node(ray.list_all_nodes()[-1], allow_graceful=False)
        out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert "3 nodes, 3 CPUs; 3 runs at a time" in out
    assert tables(tmp_path / "results" / "tiny") == truth


@pytest.mark.slow
def test_nodes_that_share_neither_folder_nor_code_give_the_same_tables(truth, tmp_path):
    """Folder and package lie on a file system that the driver alone can see."""
    private = tmp_path / "private"
    private.mkdir()
    inside = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    mount = f"mount -t tmpfs none {private}"
    if shutil.which("unshare") is None or subprocess.run([*inside, mount], capture_output=True, check=False).returncode:
        pytest.skip("mount namespaces are not allowed here")
    script = f"""
        {mount} && cp -r {Path(harness.__file__).parent} {study(tmp_path)} {private} && cd {private} || exit 99
        PYTHONPATH={private} {sys.executable} -m harness.run_study tiny.toml --cluster "$0"
        code=$?; cp -r results {tmp_path}; exit $code
    """
    with cluster(2) as ray:
        words = [*inside, script, ray.address]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while not (line := process.stdout.readline()).startswith("[1/"):
            assert line, process.communicate()
        for each in trainers():
            each.kill()
        out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert "worker died (killed, or out of memory)" in out
    runs, *others = tables(tmp_path / "results" / "tiny")
    expected, *rest = truth
    assert others == rest
    frames = [pd.read_csv(io.StringIO(text), dtype=str) for text in (runs, expected)]
    assert set(frames[0].pop("commit")) == {f"release {harness.__version__}"}  # the copy is no checkout
    del frames[1]["commit"]
    pd.testing.assert_frame_equal(*frames)


@pytest.mark.slow
def test_stopped_on_a_cluster_the_study_goes_on_with_local_workers(truth, tmp_path):
    path = study(tmp_path)
    with cluster(2) as ray:
        process = start(path, "--cluster", ray.address, cwd=tmp_path)
        progressing(tmp_path, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, out + err
        assert "unfinished ones have checkpoints" in err
    code, _, err = run(path, "--workers", 1, cwd=tmp_path)
    assert code == 0, err
    assert tables(tmp_path / "results" / "tiny") == truth


def test_no_cluster_at_the_address_is_one_sentence(tmp_path):
    code, out, err = run(study(tmp_path), "--cluster", "127.0.0.1:1", cwd=tmp_path)
    assert code == 1
    assert len(err.strip().splitlines()) == 1
    assert "--cluster 127.0.0.1:1: no Ray cluster there" in err
    assert "Traceback" not in out + err
