"""What benchmarks compute besides time: the work of a step, the page, the list; timings themselves are never tested."""

import json
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import loss_families, network_speed, performance, record
from benchmarks.campaigns import reproduction
from benchmarks.peers import plan
from benchmarks.peers.plan import Layer, Plan
from harness import kinds

FOLDER = Path(performance.__file__).parent
NOT_LISTED = {  # parts of other benchmarks; inception_speed asks for weights, and some are about no time
    "__init__",
    "ours",
    "performance",
    "record",
    "training_side",
    "network_side",
    "published_cost",
    "user_study",
    "inception_speed",
    "choice",
    "loss_families",
    "own_features",
    "how_many_images",
}


def test_work_of_a_step_by_hand():
    """Generator: 2 to 4x4x1 (32 multiply-adds), then a 3x3 transposed convolution to 8x8x5: 16 * 9 * 1 * 5 = 720.

    Discriminator: 4x4 of stride 2 to 4x4x3: 16 * 16 * 5 * 3 = 3840, then 48 to 1. Generator: forwards 752, gradients of
    weights 752, of inputs 720. Discriminator: two forwards 7776, for its own weights 7776 and twice the second layer's
    input 96, towards the generator 3888. In all 21,760 multiply-adds per example.
    """
    small = Plan(
        "small",
        2,
        8,
        5,
        (Layer("dense", 2, 16), Layer("shape", shape=(4, 4, 1)), Layer("transposed", 1, 5, 3, 2)),
        (Layer("convolution", 5, 3, 4, 2), Layer("shape"), Layer("dense", 48, 1)),
    )
    assert plan.multiplications(small.generator, 8) == [32, 720]
    assert plan.multiplications(small.discriminator, 8) == [3840, 48]
    assert plan.step_flop(small, batch=10) == 2 * 10 * (752 + 752 + 720 + 7776 + 7776 + 96 + 3888)


@pytest.mark.parametrize(
    "peer",
    [plan.article(), *(plan.dcgan(side) for side in (8, 16, 32, 64))],
    ids=lambda peer: f"{peer.name}-{peer.side}",
)
def test_peers_networks_have_as_many_trained_values_as_ours(peer):
    part = kinds.find("network", peer.name, key="network.name")
    pair = part.builder(part.set({"latent": peer.latent}), (peer.side, peer.side, peer.channels))
    for network, layers in (("generator", peer.generator), ("discriminator", peer.discriminator)):
        ours = sum(weight.size for weight in pair[network].weights() if not weight.moving)
        theirs = 0
        for layer in layers:
            if layer.kind in ("dense", "convolution", "transposed"):
                theirs += layer.kernel**2 * layer.inputs * layer.outputs + layer.outputs
            elif layer.kind == "norm":
                theirs += 2 * layer.outputs
        assert theirs == ours


def content(name, figures, **others):
    machine = {"processor": "P", "cores": 2, "memory_gib": 24.0, "system": "Linux", "python": "3.11.7"}
    return {
        "benchmark": name,
        "command": f"python -m benchmarks.{name}",
        "date": "2026-11-24 23:30 UTC",
        "short": False,
        "machine": machine,
        "versions": {"numpy": "2.4.6"},
        "figures": figures,
        "details": None,
    } | others


def test_page_states_every_figure_with_its_target_and_machine():
    figures = [
        record.figure("fast", 2.0, "x", target="≥ 1.5", met=True),
        record.figure("slow", 1234.5, "ms", target="≤ 10", met=False),
    ]
    made = performance.page([content("study_speed", figures, short=True)])
    assert "| fast | 2 x | ≥ 1.5 | yes |" in made
    assert "| slow | 1,234 ms | ≤ 10 | **no** |" in made
    assert "P, 2 cores, 24 GiB, Linux, Python 3.11.7" in made
    assert "| `python -m benchmarks.study_speed` | 2026-11-24 23:30 UTC | short | P |" in made
    assert "numpy 2.4.6" in made


def test_page_shows_growth_row_by_row():
    row = {"axis": "batch", "value": 32, "seconds": 0.5, "unit": 2.5e-5, "peak_mb": 700.4}
    made = performance.page([content("growth", [], details=[row])])
    assert "| batch | 32 | 0.50 | 0.025 ms per image | 700 |" in made


def test_page_sets_each_network_against_the_fastest_form_of_pytorch():
    case = {
        "title": "small",
        "model": "gan",
        "values": {"width": 8},
        "batch": 4,
        "loss": "relativistic",
        "penalties": {"r1": 0.05},
        "critics": 2,
        "cpu_ms": {"ours": 10.0, "eager": 20.0, "eager, channels_last": 15.0, "compiled": 16.0},
        "best": "eager, channels_last",
        "machine": "P, 2 cores",
    }
    made = performance.page([content("network_speed", [], details=[case])])
    setting = "width 8, batch 4, relativistic, r1, discriminator updates 2"
    assert f"| small | {setting} | 10.0 | 15.0 | 16.0 | 1.50 (eager, channels_last) |" in made


def test_sides_that_make_other_losses_of_the_same_weights_are_not_timed():
    facts = {"parameters": 5, "losses": [1.0, 2.0]}
    network_speed.agree("small", {"ours": facts, "eager": facts | {"losses": [1.00001, 2.0]}})
    for other in ({"parameters": 6}, {"losses": [1.001, 2.0]}):
        with pytest.raises(SystemExit, match="small: eager has"):
            network_speed.agree("small", {"ours": facts, "eager": facts | other})


@pytest.mark.parametrize("title", network_speed.CASES)
def test_timed_networks_are_those_of_the_record(title):
    case = network_speed.USUAL | network_speed.CASES[title]
    part = kinds.find("network", case.get("network", title), key="network.name")
    latent = {"latent": case["latent"]} if case["model"] == "gan" else {}
    part.builder(part.set(case["values"] | latent), tuple(case["shape"]))
    assert part.model == case["model"]


def test_page_of_nothing_is_refused():
    with pytest.raises(ValueError, match="holds no result of a benchmark"):
        performance.page([])


def test_results_are_read_in_the_order_of_the_list(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "OUT", tmp_path)
    monkeypatch.setattr(performance, "KEPT", tmp_path / "kept")
    for name in ("growth", "training_speed-quick", "training_speed-article", "unknown"):
        (tmp_path / f"{name}.json").write_text(json.dumps(content(name, [])), encoding="utf-8")
    found = [each["benchmark"] for each in performance.stored()]
    assert found == ["training_speed-article", "training_speed-quick", "growth"]


def test_figures_that_are_not_measured_again_stay_with_their_dates(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "OUT", tmp_path / "out")
    monkeypatch.setattr(performance, "KEPT", tmp_path / "kept")
    dates = {"growth": "2026-11-24 10:00 UTC", "workers": "2026-11-24 11:00 UTC"}
    performance.keep([content(name, [], date=date) for name, date in dates.items()])
    record.OUT.mkdir()
    measured = content("workers", [], date="2026-11-25 09:00 UTC", details={"readings": [1.0], "rows": []})
    (record.OUT / "workers.json").write_text(json.dumps(measured), encoding="utf-8")
    performance.keep(performance.stored())
    (record.OUT / "workers.json").unlink()
    found = {each["benchmark"]: each for each in performance.stored()}
    assert [found[name]["date"] for name in dates] == ["2026-11-24 10:00 UTC", "2026-11-25 09:00 UTC"]
    assert found["workers"]["details"] == {"rows": []}


def test_a_study_trained_again_replaces_its_row_and_its_numbers_are_counted():
    row = {"study": "b", "precision": "float32", "trained at": "1" * 40, "trained on": "old", "again at": "2" * 40}
    row |= {"again on": "old", "date": "2026-01-02", "runs": 2, "numbers": 30}
    row |= {"identical": 20, "within rounding": 10, "within seed spread": 0, "different": 0}
    coarse = {**row, "precision": "mixed_bfloat16", "numbers": 5, "identical": 4, "within rounding": 0, "different": 1}
    table = reproduction.replaced(pd.DataFrame(), [coarse, row])
    table = reproduction.replaced(table, [{**row, "study": "a", "numbers": 4, "identical": 3, "within rounding": 1}])
    table = reproduction.replaced(table, [{**coarse, "again on": "new"}, {**row, "again on": "new"}])
    kept = [["a", "float32", "old"], ["b", "float32", "new"], ["b", "mixed_bfloat16", "new"]]
    assert table[["study", "precision", "again on"]].to_numpy().tolist() == kept
    page = reproduction.page(table)
    for said in (
        "Of 2 studies 6 runs were trained again, and 39 numbers compared",
        "- float32, on the kind of processor that trained them: of 4 numbers 3 identical, 1 within rounding.\n",
        "- float32, on another kind: of 30 numbers 20 identical, 10 within rounding.\n",
        "- mixed_bfloat16, on another kind: of 5 numbers 4 identical, 1 different.\n",
    ):
        assert said in page


def test_the_committed_page_of_reproduction_follows_from_its_table():
    assert reproduction.PAGE.read_text(encoding="utf-8") == reproduction.page(pd.read_csv(reproduction.TABLE))


def test_every_benchmark_is_listed():
    scripts = {path.stem for path in FOLDER.glob("*.py")} - NOT_LISTED
    assert scripts <= {each.name for each in performance.BENCHMARKS}


def test_every_loss_penalty_and_augmentation_is_in_a_family_that_is_trained():
    specs = [family.spec(1) for family in loss_families.FAMILIES]
    with_a_penalty_of_its_own = {"r1", "wasserstein_gp"}  # earlier names of a loss and a penalty, which are there apart
    assert {spec.loss.name for spec in specs} == kinds.parts("loss").keys() - with_a_penalty_of_its_own
    assert {each.name for spec in specs for each in spec.penalties} == kinds.parts("penalty").keys()
    assert {each.name for spec in specs for each in spec.augment} == kinds.parts("augmentation").keys()
