"""Study files: defaults, every fault named with key, value and what is allowed, and which changes keep results."""

import json
import re
import tomllib
from collections import namedtuple
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import schedules
from harness import spec as specs
from harness.spec import SpecError

Placed = namedtuple("Placed", "phase schedule point repetition replicate source", defaults=[None, ""])
ROOT = Path(__file__).parents[2]
MINIMAL = """
name = "mine"
[data]
name = "digits"
[train]
steps = 100
[evaluate]
features = "digits"
[space]
peak = { low = 1e-4, high = 1e-2, log = true }
[schedules.constant]
[schedules.linear]
"""


def fault(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        specs.parse(text, source="mine.toml")
    return str(caught.value)


def test_defaults_are_filled_in_and_survive_a_round_trip_through_toml():
    spec = specs.parse(MINIMAL, source="mine.toml")
    assert spec.schedules["linear"].kind == "linear"
    assert spec.question.baseline == "constant"
    again = specs.parse(specs.to_toml(spec), source="again")
    assert again == spec
    assert specs.digest(again) == specs.digest(spec)


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.toml")), ids=lambda path: path.stem)
def test_every_study_file_of_the_repository_loads(path):
    assert specs.load(path).name == path.stem


def test_a_list_holds_names_and_tables_and_survives_a_round_trip():
    text = MINIMAL.replace("[train]", "[train]\npenalties = ['r1', { name = 'r2', weight = 0.5, every = 16 }]")
    spec = specs.parse(text, source="mine.toml")
    assert [(each.name, each.weight, each.every) for each in spec.train.penalties] == [("r1", 10, 1), ("r2", 0.5, 16)]
    again = specs.parse(specs.to_toml(spec), source="again")
    assert specs.digest(again) == specs.digest(spec) != specs.digest(specs.parse(MINIMAL, source="mine.toml"))


def test_the_builtin_study_loads():
    assert specs.builtin().name == "quick"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("steps = 100", "stpes = 100", ["train.stpes", "did you mean 'steps'", "train.steps"]),
        ("steps = 100", "steps = 0", ["train.steps", "0", "greater than or equal to 1"]),
        ("steps = 100", 'steps = "100"', ["train.steps", "'100'", "whole number"]),
        ("steps = 100", "steps = true", ["train.steps", "True", "whole number"]),
        ('name = "digits"', 'name = "digit"', ["data.name", "'digit'", "'digits'"]),
        ('name = "mine"', 'name = "../mine"', ["name", "'../mine'", "letters, digits"]),
        ("low = 1e-4", "low = 1e-1", ["space.peak", "low must be below high"]),
        ("low = 1e-4", "low = 0.0", ["space.peak", "above 0"]),
        ("low = 1e-4", "low = nan", ["space.peak.low", "finite"]),
        ("peak = {", "peek = {", ["space.peek", "did you mean 'peak'"]),
        ("[schedules.linear]", "[schedules.linaer]", ["schedules.linaer", "'linaer'", "linear"]),
        ("[schedules.linear]", "[schedules.linear]\nfloor = 2.0", ["schedules.linear", "floor", "2"]),
        ("[schedules.linear]", "[schedules.linear]\nflor = 0.1", ["schedules.linear", "'flor'", "floor"]),
        (
            "[schedules.constant]",
            "[schedules.steady]\nkind = 'constant'",
            ["question.baseline", "'constant'", "steady"],
        ),
        ("[train]", "[train]\nbatch = 1", ["train.batch", "1", "greater than or equal to 2"]),
        ("[train]", "[train]\npenalties = ['r3']", ["train.penalties[0]", "'r3'", "dragan", "r2"]),
        ("[train]", "[train]\npenalties = 'r1'", ["train.penalties", "'r1'", "a list"]),
        ("[train]", "[train]\naugment = ['color', 'cutout ']", ["train.augment[1]", "did you mean 'cutout'"]),
        (
            "[train]",
            "[train]\npenalties = [{ name = 'r1', wieght = 2 }]",
            ["train.penalties[0].wieght", "did you mean 'weight'"],
        ),
        ("[data]", "seed = -1\n[data]", ["seed", "-1"]),
        ("[train]", "[train]\n[train]", ["not valid TOML"]),
        ("steps = 100", "steps = 100\nsteps = 200", ["not valid TOML", "line"]),
    ],
)
def test_a_fault_names_the_file_the_key_the_value_and_what_is_allowed(old, new, words):
    message = fault(MINIMAL.replace(old, new, 1))
    assert message.startswith("mine.toml: ")
    for word in words:
        assert word in message


def test_all_faults_of_a_file_are_reported_together():
    text = MINIMAL.replace("steps = 100", "steps = 0\nbatch = 0\nlos = 1").replace('features = "digits"', "")
    message = fault(text)
    for key in ("train.steps", "train.batch", "train.los", "evaluate.features"):
        assert key in message
    assert len(message.splitlines()) == 4


def test_missing_and_unreadable_files_are_named(tmp_path):
    with pytest.raises(SpecError, match=r"gone\.toml: cannot be read as a text file \(no such file"):
        specs.load(tmp_path / "gone.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="not UTF-8"):
        specs.load(tmp_path / "binary.toml")
    with pytest.raises(SpecError, match="directory"):
        specs.load(tmp_path)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        *specs.StudySpec.model_fields,
                        "kind",
                        "low",
                        "high",
                        "log",
                        "steps",
                        "peak",
                        "linear",
                        "é",
                    ]
                ),
                inner,
                max_size=6,
            )
        ),
        max_leaves=20,
    )
)
def test_no_file_whatever_ends_in_anything_but_a_study_or_a_spec_error(raw):
    values = raw if isinstance(raw, dict) else {"data": raw, "schedules": raw}
    base = tomllib.loads(MINIMAL)
    for candidate in (values, {**base, **values}):
        try:
            specs.validate(candidate, source="fuzz.toml")
        except SpecError as error:
            assert all(line.startswith("fuzz.toml: ") for line in str(error).splitlines() if line.strip())


def test_what_may_grow_and_what_may_not():
    old = specs.parse(MINIMAL, source="old")
    grown = MINIMAL.replace("[train]", "[search]\ntrials = 20\n[confirm]\nseeds = 30\n[train]") + "[schedules.cosine]\n"
    assert specs.growth_faults(old, specs.parse(grown, source="new")) == {}
    changed = specs.parse(MINIMAL.replace("steps = 100", "steps = 200"), source="new")
    assert specs.growth_faults(old, changed) == {"train.steps": (100, 200)}
    fewer = specs.parse(MINIMAL.replace("[schedules.linear]", ""), source="new")
    assert specs.growth_faults(old, fewer) == {"schedules.linear.kind": ("linear", None)}
    shrunk = specs.parse(MINIMAL.replace("[train]", "[confirm]\nseeds = 3\n[train]"), source="new")
    assert specs.growth_faults(old, shrunk) == {"confirm.seeds": (10, 3)}


def test_the_place_of_data_and_weights_is_not_what_they_are():
    text = MINIMAL.replace("[data]", '[data]\ndata_dir = "here"').replace("[evaluate]", '[evaluate]\nweights = "a.npz"')
    moved = text.replace("here", "/there").replace("a.npz", "b.npz")
    for old, new in ((text, moved), (MINIMAL, text), (text, MINIMAL)):
        assert specs.growth_faults(specs.parse(old, source="old"), specs.parse(new, source="new")) == {}


def test_what_was_added_may_be_taken_away_until_a_run_of_it_is_stored():
    small = specs.parse(MINIMAL, source="small")
    text = MINIMAL.replace("[train]", "[search]\ntrials = 20\n[confirm]\nseeds = 30\n[train]") + "[schedules.cosine]\n"
    grown = specs.parse(text, source="grown")
    within = [Placed("search", "linear", 7, 7), Placed("confirm", "constant", 3, 9)]
    assert specs.refused_changes(grown, small, within) == {}
    for beyond in (
        Placed("search", "linear", 8, 8),
        Placed("confirm", "linear", 0, 10),
        Placed("search", "cosine", 0, 0),
    ):
        assert "search.trials" in specs.refused_changes(grown, small, [*within, beyond])
    longer = specs.parse(MINIMAL.replace("steps = 100", "steps = 200"), source="new")
    assert "train.steps" in specs.refused_changes(grown, longer, [])


REPLICATED = MINIMAL + "[search]\ntrials = 3\n[confirm]\nseeds = 1\n[replicates]\nmin = 8\nmax = 12\n"
SEARCHED = [Placed("search", "linear", 2, 2, 7)]
CONFIRMED = [*SEARCHED, Placed("confirm", "linear", 2, 0, 0)]


def replicated(*changes):
    text = REPLICATED
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return specs.parse(text, source="mine.toml")


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (("min = 8", "min = 10"), "replicates.min"),
        (("max = 12", "max = 20"), "replicates.max"),
        (("max = 12", "max = 12\nevery = 2"), "replicates.every"),
        (("trials = 3", "trials = 4"), "search.trials"),
        (("seeds = 1", "seeds = 2"), "confirm.seeds"),
        (("[confirm]", "[select]\nseeds = 9\n[confirm]"), "select.seeds"),
    ],
)
def test_the_plan_of_a_replicated_study_is_free_until_a_confirmation_run_is_stored_and_frozen_then(change, key):
    old, new = replicated(), replicated(change)
    assert specs.refused_changes(old, new, SEARCHED) == {}
    faults = specs.refused_changes(old, new, CONFIRMED)
    assert list(faults) == [key]
    said = specs.frozen_plan(old, new, faults)
    assert said.startswith(f"{key} is ")
    more = "8" if key == "replicates.max" else "N"
    assert f"set replicates.beyond = {more} to add {more} replicates: exploratory, they change no verdict" in said
    assert "\n" not in said
    assert list(specs.refused_changes(new, old, CONFIRMED)) == [key]


def test_replicates_beyond_the_plan_may_become_more_and_fewer_until_they_are_stored():
    old, new = replicated(), replicated(("max = 12", "max = 12\nbeyond = 4"))
    assert specs.refused_changes(old, new, CONFIRMED) == {}
    assert specs.refused_changes(new, old, CONFIRMED) == {}
    beyond = [*CONFIRMED, Placed("search", "linear", 0, 0, 12)]
    assert list(specs.refused_changes(new, old, beyond)) == ["replicates.beyond"]
    further = replicated(("max = 12", "max = 20\nbeyond = 4"))
    assert "set replicates.beyond = 12 to add 8 replicates" in specs.frozen_plan(
        new, further, specs.refused_changes(new, further, beyond)
    )


def test_replicates_that_are_stored_are_not_given_up_when_the_plan_moves():
    fewer = replicated(("max = 12", "max = 7"), ("min = 8", "min = 7"))
    assert specs.refused_changes(replicated(), fewer, [Placed("search", "linear", 0, 0, 6)]) == {}
    assert "replicates.max" in specs.refused_changes(replicated(), fewer, SEARCHED)


def test_a_replicated_study_takes_further_schedules_and_never_becomes_one_that_tunes_once():
    added = specs.parse(REPLICATED + "[schedules.cosine]\n", source="mine.toml")
    assert specs.refused_changes(replicated(), added, CONFIRMED) == {}
    once = replicated(("min = 8\nmax = 12", ""))
    for old, new in ((replicated(), once), (once, replicated())):
        runs = SEARCHED if old.replicated else [Placed("search", "linear", 2, 2)]
        faults = specs.refused_changes(old, new, runs)
        assert "replicates.max" in faults
        assert specs.frozen_plan(old, new, faults) is None


def test_another_experiment_is_no_matter_of_the_plan_alone():
    new = replicated(("steps = 100", "steps = 200"), ("max = 12", "max = 20"))
    faults = specs.refused_changes(replicated(), new, CONFIRMED)
    assert set(faults) == {"train.steps", "replicates.max"}
    assert specs.frozen_plan(replicated(), new, faults) is None


def test_schema_knows_every_section_and_shape_and_is_the_committed_one():
    schema = specs.schema()
    assert set(schema["properties"]) == set(specs.StudySpec.model_fields)
    committed = json.loads((ROOT / "studies" / "study.schema.json").read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(schema))
    assert (ROOT / "studies" / "keys.md").read_text(encoding="utf-8") == specs.keys_page()
    published = ROOT / "studies" / "published"
    studies = [specs.load(path) for path in sorted(published.glob("*.toml"))]
    assert (published / "README.md").read_text(encoding="utf-8") == specs.published_page(studies)
    names, own, *tables = schema["$defs"]["TrainSpec"]["properties"]["penalties"]["items"]["anyOf"]
    assert "r1" in names["enum"]
    assert re.match(own["pattern"], "mine.py")
    assert {"$ref": "#/$defs/Penalty-r1"} in tables
    written = json.dumps(schema)
    assert set(re.findall(r'"#/\$defs/([^"]+)"', written)) <= schema["$defs"].keys()
    assert schema["$defs"]["Penalty-r1"]["required"] == ["name"]


def test_every_study_file_of_the_repository_fits_the_schema_and_a_misspelt_key_does_not():
    validator = jsonschema.Draft202012Validator(specs.schema())
    for path in (ROOT / "studies").rglob("*.toml"):
        written = tomllib.loads(path.read_text(encoding="utf-8"))
        assert [error.message for error in validator.iter_errors(written)] == [], path
        written["schedules"]["linear"] = {"flor": 0.1}
        assert list(validator.iter_errors(written)), path


@pytest.mark.parametrize("kind", list(schedules.SHAPES))
def test_every_documented_field_of_every_schedule_can_be_set_to_a_number_and_to_a_range(kind):
    for field in schedules.shape_fields(kind):
        low, high = (2, 3) if field.type is int else (0.25, 0.75) if field.low < 0.25 else (1.25, 1.75)
        for value in (low, f"{{ low = {low}, high = {high} }}", f"{{ low = {low}, high = {high}, log = true }}"):
            spec = specs.parse(
                f'{MINIMAL}[schedules.tried]\nkind = "{kind}"\n{field.name} = {value}\n', source="mine.toml"
            )
            again = specs.parse(specs.to_toml(spec), source="again")
            assert specs.digest(again) == specs.digest(spec)
            found = spec.schedules["tried"].fields[field.name]
            assert isinstance(found, specs.Range) or (found == low and type(found) is field.type)


@pytest.mark.parametrize("wrong", ["3.5", "true", "0", "21", "{ low = 1.5, high = 4 }", "{ low = 0, high = 4 }"])
def test_a_field_that_is_a_whole_number_refuses_all_else(wrong):
    text = fault(f"{MINIMAL}[schedules.step]\ndrops = {wrong}\n")
    assert "drops" in text
    assert "whole number" in text or "allowed is a finite number" in text


def test_a_byte_order_mark_and_other_line_ends_are_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert specs.load(path) == specs.parse(MINIMAL, source="mine.toml")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{ low = 1e-2, high = 1e-4 }", "space.peak: low is 0.01 and high is 0.0001, but low must be below high"),
        ("[1e-4, 1e-2]", "space.peak is [0.0001, 0.01]: allowed is a finite number, or a range such as { low = "),
        ("true", "space.peak is True: allowed is a finite number, or a range"),
        ("nan", "space.peak is nan: allowed is a finite number, or a range"),
        ("{ low = 1e-4 }", "missing key 'space.peak.high', which has no default"),
    ],
)
def test_a_fault_of_a_number_or_range_is_told_once_and_of_the_form_that_was_meant(value, words):
    found = fault(MINIMAL.replace("{ low = 1e-4, high = 1e-2, log = true }", value))
    assert found.count("\n") == 0
    assert words in found


def test_schedules_may_be_called_number_and_range():
    text = MINIMAL + '[schedules.range]\nkind = "linear"\nfloor = { low = 2, high = 3 }\n'
    assert "schedules.range" in fault(text)


def test_a_results_folder_given_as_a_study_is_told_where_its_study_file_is(tmp_path):
    (tmp_path / "study.toml").write_text(MINIMAL, encoding="utf-8")
    with pytest.raises(SpecError, match=r"is a directory; the study file in it is .*study\.toml"):
        specs.load(tmp_path)


def test_the_page_of_keys_lists_what_each_key_may_hold():
    page = specs.keys_page()
    assert "| `loss` | name or table, below | `non_saturating` |" in page
    assert "| `wasserstein_gp` | | | |" in page
    assert "| | `penalty` | number from 0 to 1e+06 | `10.0` | weight of the gradient penalty |" in page
    assert "| `dragan` | | | | distance of the discriminator's slope from 1 around real images" in page
    assert "| `FILE.py:NAME` | | | | an augmentation of your own" in page
    assert "| `peak` | number or range `{ low, high, log }` |" in page
    assert "| `steps` | whole number from 1 to 100,000,000 |" in page
