"""A score's name and its parts are the same thing."""

import pytest

from harness.scores import ScoreName, count_name

NAMES = {
    "fid_digits_5k": ScoreName("fid", "digits", 5000),
    "fid_digits_5k_ema": ScoreName("fid", "digits", 5000, "ema"),
    "kid_fashion_mnist_2500": ScoreName("kid", "fashion_mnist", 2500),
    "noise_ratio_500_ema": ScoreName("noise_ratio", "", 500, "ema"),
    "fid_digits_5k_ema0.9997": ScoreName("fid", "digits", 5000, "ema0.9997"),
    "kid_digits_500_ema20k": ScoreName("kid", "digits", 500, "ema20k"),
    "high_frequency_ratio_10k": ScoreName("high_frequency_ratio", "", 10_000),
}


@pytest.mark.parametrize("text", NAMES)
def test_a_name_is_its_parts(text):
    name = NAMES[text]
    assert str(name) == text
    assert ScoreName.parse(text, features=name.features or "digits") == name


def test_both_weights_name_each_other():
    name = ScoreName("fid", "digits", 5000)
    assert (name.other, name.other.other, name.averaged.raw) == (name.averaged, name, name)
    assert str(name.averaged) == f"{name}_ema"
    assert name.of("ema20k").other == name


@pytest.mark.parametrize(("count", "text"), [(500, "500"), (1000, "1k"), (2500, "2500"), (10_000, "10k")])
def test_counts_in_thousands_are_short(count, text):
    assert count_name(count) == text


def test_what_is_no_score_is_refused():
    with pytest.raises(ValueError, match="number of images, as in fid_digits_5k"):
        ScoreName.parse("seconds", features="digits")


@pytest.mark.parametrize(
    ("text", "error"), [("kid_digits_5k", "kid_digits_5k_se"), ("kid_digits_5k_ema", "kid_digits_5k_se_ema")]
)
def test_a_standard_error_is_named_after_its_score_and_is_no_score(text, error):
    assert ScoreName.parse(text, features="digits").error == error
    with pytest.raises(ValueError, match="is no score's name"):
        ScoreName.parse(error, features="digits")
