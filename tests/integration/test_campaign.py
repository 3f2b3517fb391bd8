"""A short campaign of faults, a failover of each kind, a filesystem that is tortured: tests/campaign has the long ones."""

import pathlib
import subprocess
import sys

import pytest

CAMPAIGN = pathlib.Path(__file__).resolve().parents[1] / "campaign"


@pytest.mark.parametrize("words", [
    ["campaign.py", "--seconds", "30", "--seed", "1"],
    ["failover_times.py", "--count", "1"],
    ["torture.py", "--seconds", "15", "--filesystem", "xfs"],
], ids=["faults", "failover", "torture"])
def test_short_campaign(words):
    done = subprocess.run([sys.executable, "-B", str(CAMPAIGN / words[0]), *words[1:]], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
