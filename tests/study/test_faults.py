"""The fault campaign in short form; the long form is `python -m benchmarks.campaigns.faults`."""

import pytest

from benchmarks.campaigns.faults import Campaign


@pytest.mark.slow
def test_kills_locks_and_disk_faults_lose_no_run_and_change_no_number(tmp_path):
    campaign = Campaign(tmp_path / "campaign", wanted=8, seed=5)
    campaign.conduct()
    assert campaign.faults.total() >= 8
    assert campaign.clean, campaign.report()
