"""The fuzz campaign in short form; the long form is `python -m benchmarks.campaigns.fuzz`."""

from benchmarks.campaigns import fuzz


def test_bad_inputs_end_in_a_value_or_in_one_sentence_that_names_the_file(tmp_path):
    campaign = fuzz.Campaign(tmp_path, seed=0)
    campaign.conduct(500, reports=1)
    assert campaign.made.total() >= 490
    assert campaign.refused.total() > 300
    assert not campaign.findings, campaign.report()
