"""What a new user stumbled over stays mended: the tour of a first day, each friction with the test that holds it.

Where another file tests it, its test is named; a test that is renamed is missed here.
"""

import ast
import re
from pathlib import Path

import pytest

from harness import spec as specs

ROOT = Path(__file__).parents[1]
# friction -> the test that holds it
ELSEWHERE = {
    # the first minutes
    "`python -m harness` says what there is": "test_commands.py::test_python_m_harness_says_what_there_is_and_runs_it",
    "`harness run quick` is the built-in study": "test_commands.py::test_the_built_in_study_has_a_name_on_the_command_line",
    "the two commands run as they stand": "test_commands.py::test_the_readme_s_commands_set_nothing_but_the_path",
    # a study of one's own
    "the page of keys lists allowed values": "spec/test_loading.py::test_the_page_of_keys_lists_what_each_key_may_hold",
    "all faults at once, each with key and value": "spec/test_loading.py::test_all_faults_of_a_file_are_reported_together",
    "a fault of a range is told once": "spec/test_loading.py::test_a_fault_of_a_number_or_range_is_told_once_and_of_the_form_that_was_meant",
    "a results folder given as a study": "spec/test_loading.py::test_a_results_folder_given_as_a_study_is_told_where_its_study_file_is",
    "features blind to colour are named": "metrics/test_sanity.py::test_features_of_clothes_are_blind_to_the_colours_of_pictures",
    "batch, few images, features of other data": "study/test_cautions.py::test_what_the_images_features_and_the_measured_sanity_say",
    "one schedule has nothing to be compared with": "study/test_cautions.py::test_one_schedule_has_nothing_to_be_compared_with",
    "warnings reach the page and the terminal": "report/test_cautions.py::test_warnings_are_shown_once_and_everywhere",
    # the dry run
    "it counts what is stored": "study/test_command.py::test_dry_run_of_a_stored_study_counts_what_remains_and_touches_nothing",
    "it shows images, floor, damage, cost and disk": "study/test_preview.py::test_it_shows_plan_images_floor_sanity_cost_and_disk",
    # stopping, growing, cloning
    "a stop leaves checkpoints and says how to go on": "study/test_command.py::test_a_request_to_stop_leaves_checkpoints_says_how_to_go_on_and_exits_130",
    "a clone's results are read from their tables": "study/test_claim.py::test_a_folder_without_its_database_is_read_from_its_tables",
    "and may grow": "study/test_claim.py::test_a_folder_without_its_database_can_grow",
    "a refusal leaves no file behind": "study/test_claim.py::test_what_a_worker_refuses_leaves_nothing_and_the_mended_file_is_accepted",
    # extending
    "every file of the guide is trained": "test_extend.py::test_a_study_of_such_parts_is_checked_trained_and_reported",
    "a discriminator's statistics are kept": "models/test_discriminators.py::test_statistics_of_a_discriminator_are_kept_and_moved_by_real_and_generated_images_once_each",
    # looking at results
    "trials have a duration": "study/test_storage.py::test_trials_say_when_their_run_began_and_ended",
    "the best trial is of the search": "study/test_storage.py::test_the_best_trial_is_of_the_search_also_in_databases_that_did_not_say_so",
    "the axis is named": "study/test_engine.py::test_optunas_own_tools_read_the_study",
    "losses are curves": "study/test_events.py::test_losses_and_rates_have_the_density_of_the_trace_and_scores_that_of_evaluations",
    "a LaTeX table fits a column": "report/test_latex.py::test_a_papers_column_holds_mean_and_sd_difference_and_verdict_and_the_wide_table_lies_beside",
    "seconds per step are without evaluations": "report/test_report.py::test_the_cost_table_says_whether_evaluations_are_in_its_seconds",
    # the page
    "no table of verdicts is cut": "report/test_browser.py::test_the_tables_of_verdicts_and_claims_are_nowhere_cut",
    "labels keep clear of legends": "report/test_layout.py::test_labels_legends_and_panels_keep_clear_of_each_other",
    "a phone has a block per row": "report/test_browser.py::test_a_phone_has_a_block_per_row_and_each_number_its_head",
    "a number is written one way": "report/test_report.py::test_one_number_is_written_the_same_way_everywhere",
    "no band of a distance below zero": "report/test_report.py::test_a_band_of_a_distance_does_not_go_below_zero",
    "the other weights are on the first screen": "report/test_report.py::test_the_other_weights_and_the_interaction_are_on_the_first_screen",
    "what pairing gained is shown": "report/test_report.py::test_pairing_is_shown_where_it_is_claimed",
    # scores by themselves
    "no line of TensorFlow's": "metrics/test_command.py::test_nothing_of_tensorflow_is_printed",
    "messages name options, not study keys": "metrics/test_command.py::test_weights_are_named_by_their_option_and_no_message_names_a_study_key",
    "a function in Python": "metrics/test_in_python.py::test_arrays_files_and_folders_have_the_commands_scores",
}


@pytest.mark.parametrize("place", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_what_was_mended_is_held_by_a_test(place):
    file, _, name = place.partition("::")
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.fixture(scope="module")
def readme():
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_first_screen_says_framework_networks_and_what_the_article_is(readme):
    first = readme.partition("## Run it")[0]
    assert {"TensorFlow", "Keras", "dcgan", "[`article`](#the-article)"} <= set(
        re.findall(r"\[`article`\]\(.*?\)|\w+", first)
    )
    assert "\n## The article\n" in readme


def test_the_first_screen_says_that_averaging_changes_the_answer(readme):
    assert "**Averaging the weights changes the answer**" in readme.partition("## Run it")[0]
    assert "results/replication" in readme.partition("## Run it")[0]  # what verdicts of one tuning are worth


def test_no_page_advises_to_widen_a_range_and_run_the_same_study_again():
    for path in (*(ROOT / "docs").rglob("*.md"), *(ROOT / "results").glob("*/report.md")):
        for said in re.findall(r"[^.]*\bwiden\b[^.]*\.", " ".join(path.read_text(encoding="utf-8").split())):
            assert "new study" in said, path


STUDY = """
name = "mine"
[data]
name = "folder"
[train]
steps = 100
[evaluate]
features = "digits"
[space]
peak = { low = 1e-4, high = 1e-2 }
[schedules.constant]
"""


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            "",
            "",
            "data: name is 'folder', which needs data_dir: the folder that holds your images; and size: the height and width of "
            "training images in pixels",
        ),
        ('"folder"', '"folder"\nsize = [32, 32]', "data.size is [32, 32]: allowed is a whole number"),
        (
            "steps = 100",
            'steps = 100\noptimizer = "AdamW"',
            "train.optimizer is 'AdamW' (did you mean 'adamw'?), but allowed",
        ),
        ("steps = 100", 'steps = 100\nloss = "wgan-gp"', "wasserstein_gp"),
        (
            "steps = 100",
            "steps = 100\nweight_decay = 0.1",
            "unknown key 'train.weight_decay': it is a key of [space] and of [schedules.LABEL]; allowed here: steps, batch,",
        ),
        ("{ low = 1e-4, high = 1e-2 }", "[1e-4, 1e-2]", "or a range such as { low = 1e-4, high = 1e-2, log = true }"),
        ("low = 1e-4", "low = 1e-1", "space.peak: low is 0.1 and high is 0.01, but low must be below high"),
    ],
)
def test_a_first_study_s_slips_are_one_sentence_each_that_says_what_is_allowed(before, after, said):
    with pytest.raises(specs.SpecError) as refused:
        specs.parse(STUDY.replace(before, after, 1) if before else STUDY, source="mine.toml")
    assert any(said in line and line.startswith("mine.toml: ") for line in str(refused.value).splitlines())


def test_a_study_file_given_to_the_report_is_told_what_is_wanted(capsys):
    from harness.report.__main__ import main

    assert main([str(ROOT / "studies" / "digits.toml")]) == 2
    assert (
        capsys.readouterr().err.strip().endswith("digits.toml: is a file, but allowed is the results folder of a study")
    )


def test_what_the_source_had_to_be_read_for_stands_on_a_page():
    wanted = {
        "own_code.md": ("import keras", "SpectralNormalization"),
        "extend.md": ("## Add a loss", "## Add a schedule", "## Add a metric", "## Add an executor"),
        "study.md": ('file = "rates.csv"', "weight_decay", "may rise"),
        "faq.md": ("Can I average the weights instead?", "May I add runs until it is decided?"),
        "protocol.md": ("What does the score see?", "How many images, and which score"),
        "why.md": ("Why seeds are paired", "Why the tuning is repeated"),
    }
    for page, words in wanted.items():
        text = " ".join((ROOT / "docs" / page).read_text(encoding="utf-8").split())
        assert [word for word in words if word not in text] == [], page
