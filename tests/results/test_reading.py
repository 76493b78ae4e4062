"""Records read back from the tables are those that were written, to the last bit."""

import json
import math
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from harness import schedules
from harness.results import CurvePoint, ResultsError, RunRecord, reading, tables, trace
from tests.report.example import pair, results

PHASES = ("search", "select", "confirm", "variance")
COMMITTED = sorted(path.parent for path in (Path(__file__).parents[2] / "results").glob("*/runs.csv"))


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda folder: folder.name)
def test_committed_tables_are_written_again_byte_by_byte(folder, tmp_path):
    study = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    tables.write(tmp_path, reading.records(folder), phases=PHASES, schedules=study["schedules"])
    for name in ("runs.csv", "curves.csv", "evaluations.csv"):
        assert (tmp_path / name).exists() == (folder / name).exists()
        if (folder / name).exists():
            assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


numbers = st.floats(-1e9, 1e9) | st.floats(1e-12, 1e-3)
seeds = st.integers(0, 2**63 - 1)
words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=20)


energies = st.sampled_from([{}, {"gpu": 0.1 + 0.2}, {"gpu": 1e-3, "processor": 2.5e6 / 3}])
moments = st.none() | st.integers(0, 4 * 10**12).map(lambda milliseconds: milliseconds / 1000)
single = st.floats(-1e6, 1e6, width=32)
points = st.builds(
    lambda step, *values: trace.point(step, rates=pair(*values[:2]), losses=pair(*values[2:])),
    st.integers(0, 10**6),
    st.floats(0, 10, width=32),
    st.floats(0, 10, width=32),
    single,
    single,
)


@st.composite
def records(draw):
    """Runs of one study, of all outcomes, with settings that are whole numbers in some schedules only."""
    study = {"constant": "constant", "step": "step", "linear": "linear"}
    made = []
    for place in range(draw(st.integers(1, 6))):
        label = draw(st.sampled_from(list(study)))
        status = draw(st.sampled_from(["finished", "diverged", "failed"]))
        finished = status == "finished"
        params = {"peak": draw(numbers), "warmup": 0.0}
        if label == "step":
            params |= {"drops": draw(st.integers(1, 9)), "factor": draw(numbers)}
        extra = ["kid_digits_5k"] if draw(st.booleans()) else []
        scores = {name: draw(numbers) for name in ("fid_digits_5k", *extra, "fid_digits_5k_ema")}
        curve = tuple(
            CurvePoint(
                step,
                pair(draw(numbers), draw(numbers)),
                pair(draw(numbers | st.just(math.nan)), draw(numbers)),
                scores,
                1.5,
            )
            for step in (10, 20)
        )
        made.append(
            RunRecord(
                run=f"search-{label}-p{place:03d}-r{place:03d}",
                phase="search",
                schedule=label,
                kind=study[label],
                point=place,
                repetition=place,
                status=status,
                reason="" if finished else draw(words),
                last_step=draw(st.integers(0, 20)),
                steps=20,
                attempts=draw(st.integers(1, 3)),
                seconds=draw(numbers),
                seconds_per_step=draw(numbers),
                peak_memory_mb=draw(numbers),
                params=params,
                scores=scores if finished else {},
                losses=pair(draw(numbers), draw(numbers)) if finished else {},
                trial=place,
                seed_weights=draw(seeds),
                seed_data=draw(seeds),
                seed_latents=draw(seeds),
                seed_noise=draw(seeds),
                data_fingerprint="f" * 64,
                features_sha256="0" * 64,
                device=draw(words),
                threads=1,
                commit="1234567",
                versions={"numpy": "2", "harness": draw(words)},
                curve=curve if status != "failed" else (),
                chosen=draw(st.booleans()),
                trace=trace.pack(draw(st.lists(points, max_size=3))) if status != "failed" else "",
                seconds_evaluation=draw(st.none() | st.floats(0, 1e6)),
                started=draw(moments),
                ended=draw(moments),
                numerics=draw(st.sampled_from([{}, {"onednn": True, "intra_op_threads": 1, "XLA_FLAGS": "a,b"}])),
                joules=draw(energies),
                shared_joules=draw(energies),
            )
        )
    return made


@given(records())
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_any_records_are_read_back_as_they_were(tmp_path_factory, made):
    folder = tmp_path_factory.mktemp("study")
    study = json.loads((COMMITTED[0] / "study.json").read_text(encoding="utf-8"))
    kept = ("constant", "step", "linear")
    study |= {"schedules": list(kept), "kinds": {name: name for name in kept}, "primary": "fid_digits_5k"}
    study["scores"] = {"fid_digits_5k": next(iter(study["scores"].values()))}
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    tables.write(folder, made, phases=PHASES, schedules=kept)
    before = {path.name: path.read_bytes() for path in folder.glob("*.csv")}
    found = {each.run: each for each in reading.records(folder)}
    for each in made:
        assert _text(found[each.run]) == _text(each)
        assert all(
            type(found[each.run].params[name]) is int for name in schedules.whole_fields(each.kind) & each.params.keys()
        )
    tables.write(folder, found.values(), phases=PHASES, schedules=kept)
    assert before == {path.name: path.read_bytes() for path in folder.glob("*.csv")}


def _text(record):
    """A record as text, in which NaN is its own equal."""
    return json.dumps(record.to_json(), sort_keys=True)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [("{", "[", "row 2 is no run's record"), (",1,", ",x,", "runs.csv"), (",search,", ",sarch,", "column 'phase'")],
)
def test_a_damaged_table_is_one_sentence(tmp_path, old, new, words):
    folder = results(tmp_path / "study")
    assert reading.records(folder)
    path = folder / "runs.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ResultsError, match=words) as caught:
        reading.records(folder)
    assert len(str(caught.value).splitlines()) == 1
