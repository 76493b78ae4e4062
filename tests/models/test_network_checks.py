"""What check_network looks at, on networks that have the fault and on some that have none."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import check_network
from harness.models import network_checks
from harness.models.network_checks import Request
from tests import own_code_example as example
from tests import printed

HEAD = "import keras, tensorflow as tf\nL = keras.layers\n"
GENERATOR = "keras.Sequential([keras.Input((latent,)), L.Dense(64, {ends}), L.Reshape(shape)])"
JUDGE = "keras.Sequential([keras.Input(shape), L.Flatten(), L.Dense(1)])"


def checks(folder, source, **changes):
    path = folder / "mine.py"
    path.write_text(source, encoding="utf-8")
    values = {"make": "build", "shape": (8, 8, 1), "latent": 8, "options": {}, "model": "gan", "batch": 8}
    return {check.name: check for check in network_checks.run(Request(path=path, **{**values, **changes}))}


def networks(generator, judge=JUDGE):
    return f"{HEAD}\ndef build(shape, latent):\n    return {{'generator': {generator}, 'discriminator': {judge}}}\n"


def test_sound_networks_and_kinds_have_no_fault(tmp_path):
    for changes in ({"options": {"width": 4}}, {"make": "Autoencoder", "model": "own", "latent": None}):
        found = checks(tmp_path, example.MINE, **changes)
        assert len(found) == 13
        assert all(check.good for check in found.values()), found


FLOW = """
import keras
L = keras.layers


class Velocity(keras.Model):
    def __init__(self, shape):
        super().__init__()
        self.hidden, self.out, self.sides = L.Dense(16, "silu"), L.Dense(shape[0] * shape[1] * shape[2]), shape

    def call(self, x, time, training=False):
        hidden = self.hidden(keras.ops.concatenate([L.Flatten()(x), time], -1))
        return keras.ops.reshape(self.out(hidden), (-1, *self.sides))


def build(shape, latent):
    return {"velocity": Velocity(shape)}
"""
AUTOENCODER = networks(
    GENERATOR.format(ends="'tanh'"), "keras.Sequential([keras.Input(shape), L.Flatten(), L.Dense(2 * latent)])"
)


@pytest.mark.parametrize(
    ("model", "source"),
    [("flow", FLOW), ("vae", AUTOENCODER.replace("'generator'", "'decoder'").replace("'discriminator'", "'encoder'"))],
)
def test_networks_for_other_kinds_of_model_have_no_fault(tmp_path, model, source):
    found = checks(tmp_path, source, model=model)
    assert all(check.good for check in found.values()), found


def test_images_out_of_range_and_fixed_initial_weights_and_idle_weights_are_named(tmp_path):
    fixed = "keras.Sequential([keras.Input((latent,)), L.Dense(64, kernel_initializer='ones'), L.Reshape(shape)])"
    idle = "keras.Sequential([keras.Input(shape), L.Flatten(), L.Dense(4, name='idle'), L.Lambda(tf.stop_gradient), L.Dense(1)])"
    found = checks(tmp_path, networks(fixed, idle))
    assert not found["images lie in [-1, 1]"].good
    assert found["initial weights"].found == "the same for every seed: generator"
    assert "idle/kernel" in found["gradients"].found
    assert "idle/bias" in found["gradients"].found
    assert found["steps in other chunks"].good


def test_the_faults_of_all_networks_are_named(tmp_path):
    noisy = "keras.Sequential([keras.Input(shape), L.Flatten(), L.Dense(2)])"
    hiss = "keras.Sequential([keras.Input((latent,)), L.Dense(64), L.Lambda(lambda x: x + tf.random.normal((64,)), name='hiss'), L.Reshape(shape)])"
    path = tmp_path / "mine.py"
    path.write_text(networks(hiss, noisy), encoding="utf-8")
    request = Request(path=path, make="build", shape=(8, 8, 1), latent=8, options={}, model="gan", batch=8)
    first, second = network_checks.run(request)
    assert "RandomStandardNormal" in first.found
    assert "hiss" in first.found
    assert second.found.endswith("network 'discriminator' makes 2, but must make 1")


def test_noise_when_generating_shows_in_the_size_of_batches(tmp_path):
    batch = (
        "\n\nclass Centred(L.Layer):\n    def call(self, x):\n        return x - tf.reduce_mean(x, 0, keepdims=True)\n"
    )
    centred = (
        "keras.Sequential([keras.Input((latent,)), L.Dense(64), Centred(), L.Activation('tanh'), L.Reshape(shape)])"
    )
    found = checks(tmp_path, networks(centred).replace("\ndef build", f"{batch}\n\ndef build"))
    assert not found["500 images at a time equal 250 at a time"].good


def test_layers_that_write_their_trained_kernels_are_named(tmp_path):
    judge = "keras.Sequential([keras.Input(shape), L.Flatten(), L.SpectralNormalization(L.Dense(1))])"
    found = checks(tmp_path, networks(GENERATOR.format(ends="'tanh'"), judge))
    assert all(check.good for check in found.values()), found
    assert "kernel" in found["no state or noise of its own"].found


@pytest.mark.slow
def test_the_command_prints_a_line_per_check_and_its_exit_status_says_whether_all_are_good(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(networks(GENERATOR.format(ends="'tanh'")), encoding="utf-8")

    surroundings = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}

    def run(*words):
        line = [sys.executable, "-m", "harness.check_network", str(path), *words]
        return subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, env=surroundings)

    done = run("--batch", "8", "--json")
    assert done.returncode == 0, done.stderr
    printed.check("Networks", json.loads(done.stdout))
    assert all(check["good"] for check in json.loads(done.stdout)["checks"])
    assert done.stderr == ""
    done = run("--make", "bild")
    assert done.returncode == 2
    assert "has nothing of the name 'bild' (did you mean 'build'?)" in done.stdout


@pytest.mark.parametrize("words", [["--shape", "8x9x1"], ["--shape", "8"], ["--options", "[1]"], ["--latent", "0"]])
def test_words_that_mean_nothing_are_refused(words, capsys):
    with pytest.raises(SystemExit):
        check_network.main(["mine.py", *words])
    assert "but allowed is" in capsys.readouterr().err


PAGE = Path(__file__).parents[2] / "docs" / "own_code.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_networks_and_the_kind_of_the_documentation_have_no_fault(tmp_path):
    function, kind = blocks("python")
    for source, changes in (
        (function, {"options": {"width": 8}}),
        (kind, {"make": "Autoencoder", "model": "own", "latent": None}),
    ):
        found = checks(tmp_path, source, **changes)
        assert all(check.good for check in found.values()), found


def test_the_study_files_of_the_documentation_can_be_run(tmp_path):
    from harness.spec import load

    (tmp_path / "mine.py").write_text("\n".join(blocks("python")), encoding="utf-8")
    study, kind = blocks("toml")
    path = tmp_path / "study.toml"
    path.write_text(study, encoding="utf-8")
    assert load(path, allow_code=True).network.name == "mine.py:build"
    before, after = study[: study.index("[network]")], study[study.index("[train]") :]
    path.write_text(before + kind + after, encoding="utf-8")
    assert load(path, allow_code=True).network.name == "mine.py:Autoencoder"
