"""One module of another package adds a metric, a feature network and a data set; every shipped part says what it is."""

import json

import numpy as np
import pytest

from harness import data, kinds
from harness import spec as specs
from harness.data import data_set
from harness.driver import listing, preflight
from harness.executors import resources
from harness.metrics import extractor, features, metric
from harness.metrics.__main__ import main
from harness.metrics.evaluation import Evaluator
from harness.metrics.metric import MetricPart

MODULE = '''
import numpy as np
from harness.data.data_set import DataPart
from harness.data.images import ImageSet
from harness.metrics.extractor import FeaturesPart, squares
from harness.metrics.metric import MetricPart


class Brightness:
    """Mean brightness of generated images divided by that of real ones."""

    def prepare(self, real):
        return real.sample.images.mean()

    def score(self, sample, prepared):
        return float(sample.images.mean() / prepared)

    def protocol(self, real):
        return f"{real.generated} generated, {real.sampled} real images"


class Gap:
    """Distance between mean features."""

    def prepare(self, real):
        return real.sample.features.mean(axis=0)

    def score(self, sample, prepared):
        return float(np.linalg.norm(sample.features.mean(axis=0) - prepared))

    def protocol(self, real):
        return f"{real.generated} generated against {real.sampled} {real.reference} images"


class Corners:
    """The four corners as features."""

    name, sha256, dimensions = "corners", "c" * 64, 4

    def __call__(self, images):
        return images[:, ::7, ::7, 0].reshape(len(images), -1).astype(np.float32)


def stripes(settings):
    images = np.random.default_rng(0).integers(0, 256, (240, 8, 8, 1), dtype=np.uint8)
    return ImageSet("stripes", images[:120], images[120:])


PARTS = (
    MetricPart(name="brightness", title="brightness", help="mean brightness divided by that of real images",
               direction="one", needs="pixels", optional=True, build=Brightness),
    MetricPart(name="gap", title="gap", help="distance between mean features", direction="lower", needs="features",
               primary=True, optional=True, build=Gap),
    FeaturesPart(name="corners", help="the four corners of an image", build=Corners, fits=squares(8), dimensions=4,
                 memory=lambda *_: 123.0),
    DataPart(name="stripes", title="stripes", help="noise, 120 + 120 of 8x8x1", build=stripes, shape=(8, 8, 1),
             split=(120, 120), files=False),
)
'''
STUDY = """
name = "mine"
[question]
score = "gap"
[data]
name = "stripes"
[train]
steps = 10
[evaluate]
features = "corners"
generated = 12
points = 1
metrics = ["brightness"]
[space]
peak = 1e-3
[schedules.constant]
[schedules.linear]
[search]
trials = 0
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package with one module, as pip would leave it."""
    (tmp_path / "stripes_and_corners.py").write_text(MODULE)
    about = tmp_path / "stripes_and_corners-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: stripes-and-corners\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[harness.parts]\nmine = stripes_and_corners\n")
    monkeypatch.syspath_prepend(tmp_path)
    kinds._installed.cache_clear()
    yield
    kinds._installed.cache_clear()


def test_a_study_names_them_is_checked_by_them_and_scores_with_them(installed):
    spec = specs.parse(STUDY, source="mine.toml")
    preflight.check(spec, source="mine.toml")
    assert preflight.primary_score(spec) == "gap_corners_12"
    assert data.sizes(spec.data) == (120, 120)
    inception = spec.model_copy(update={"evaluate": spec.evaluate.model_copy(update={"features": "inception"})})
    assert resources.worker_mb(inception) - resources.worker_mb(spec) == pytest.approx(1500 - 123)
    images = data.load(spec.data)
    evaluator = Evaluator(
        features.load("corners"),
        train=images.train,
        held_out=images.held_out,
        reference="train",
        generated=12,
        cache=None,
        fingerprint=images.fingerprint,
        extras=(*spec.evaluate.metrics, spec.question.score),
    )
    scores = evaluator.scores(np.full((12, 8, 8, 1), 255, np.uint8))
    assert list(scores)[-2:] == ["brightness_12", "gap_corners_12"]
    assert scores["brightness_12"] == pytest.approx(2.0, abs=0.1)
    assert evaluator.floor()["gap_corners_12"] < scores["gap_corners_12"] / 2
    assert evaluator.describe()["gap_corners_12"] == {
        "title": "gap",
        "direction": "lower",
        "help": "distance between mean features",
        "protocol": f"12 generated against 12 train images, corners features {'c' * 12}; floor: 12 held_out images",
    }


def test_they_are_listed_allowed_and_offered_to_editors(installed, capsys):
    listing.print_list()
    said = " ".join(capsys.readouterr().out.split())
    for line in (
        "the four corners of an image",
        "noise, 120 + 120 of 8x8x1",
        "mean brightness divided by that of real",
    ):
        assert line in said
    definitions = specs.schema()["$defs"]
    assert "stripes" in definitions["DataSpec"]["properties"]["name"]["enum"]
    assert "corners" in definitions["EvaluateSpec"]["properties"]["features"]["anyOf"][0]["enum"]
    assert definitions["QuestionSpec"]["properties"]["score"]["enum"] == ["fid", "kid", "gap"]
    wrong = STUDY.replace('"corners"', '"corner"').replace('"brightness"', '"brigthness"').replace('"gap"', '"recall"')
    with pytest.raises(specs.SpecError) as fault:
        specs.parse(wrong, source="mine.toml")
    assert str(fault.value).splitlines() == [
        "mine.toml: question.score is 'recall': allowed is one of: fid, kid, gap",
        f"mine.toml: evaluate.features is 'corner': allowed is one of: {', '.join(extractor.declared())} "
        "(did you mean 'corners'?)",
        f"mine.toml: evaluate.metrics is ['brigthness']: allowed is one of: {', '.join(metric.extras())} "
        "(did you mean 'brightness'?)",
    ]


def test_the_scoring_command_takes_them(installed, tmp_path, capsys):
    for index, name in enumerate("ab"):
        images = np.random.default_rng(index).integers(0, 128 * (index + 1), (120, 8, 8, 1), dtype=np.uint8)
        np.save(tmp_path / f"{name}.npy", images)
    paths = [str(tmp_path / "a.npy"), str(tmp_path / "b.npy")]
    assert (
        main([*paths, "--features", "corners", "--metric", "brightness", "--metric", "gap", "--sanity", "--json"]) == 0
    )
    report = json.loads(capsys.readouterr().out)
    assert report["scores"]["brightness"] == pytest.approx(0.5, abs=0.02)
    assert report["scores"]["gap"] > 50
    assert set(report["sanity"]) == {"fid", "kid", "gap"}
    assert main([*paths, "--features", "corners", "--metric", "gpa"]) == 2
    assert {"brightness", "gap"} < set(metric.extras())
    assert capsys.readouterr().err == f"--metric is gpa, but allowed is one of: {', '.join(metric.extras())}\n"


def test_without_such_a_package_its_metrics_cannot_be_asked_for():
    with pytest.raises(
        specs.SpecError, match=r"\['brightness'\]: allowed is one of: clipped_density, clipped_coverage"
    ):
        specs.parse(STUDY, source="mine.toml")


def test_a_study_without_further_metrics_is_written_as_before():
    spec = specs.builtin()
    assert "metrics" not in specs.resolved(spec)["evaluate"]
    assert specs.parse(specs.to_toml(spec), source="again") == spec


def test_a_primary_score_must_be_one_that_verdicts_can_rest_on():
    with pytest.raises(kinds.KindError, match="metric 'x' cannot be a primary score: lower must be better"):
        MetricPart(name="x", title="x", help="x", direction="higher", needs="features", primary=True, build=object)


@pytest.mark.parametrize("role", ["metric", "features", "data"])
def test_every_part_says_what_it_is_in_a_line(role):
    parts = kinds.parts(role)
    assert parts
    for name, part in parts.items():
        assert part.name == name
        assert part.help
        assert "\n" not in part.help
        assert not part.help.endswith(".")
        assert getattr(part, "title", "none is shown"), f"{name} has no title"
        assert callable(part.builder)


def test_metrics_stand_in_the_order_of_tables_and_no_two_at_one_place():
    positions = [part.position for part in metric.declared().values()]
    assert positions == sorted(set(positions))
    assert metric.primaries() == ["fid", "kid"]
    assert [name for name, part in metric.declared().items() if not part.floor] == ["overfit"]


def test_every_network_good_for_one_data_set_names_a_data_set():
    for part in extractor.declared().values():
        assert part.trained_on in {"", *data_set.declared()}
