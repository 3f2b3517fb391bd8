"""Snapshots by schedule, on three agents."""

import json

import pytest

from cluster import ApiError, wait_for


def listed(agent, name):
    return json.loads(agent.cli("snapshot", "list", name, "--json").stdout)["snapshots"]


def by_rule(agent, name):
    return sorted(s["schedule"] for s in listed(agent, name) if s["schedule"] and s["state"] == "ready")


def test_an_attached_volume_has_the_snapshots_of_its_class(shared, name):
    a, b = shared["a"], shared["b"]
    a.cli("class", "set", "scratch", "snapshots=hourly keep 24, daily keep 7")
    wait_for("b sees it", lambda: "snapshots = hourly keep 24, daily keep 7" in b.cli("class", "show", "scratch").stdout)
    refused = a.cli("class", "set", "scratch", "snapshots=hurly keep 24", check=False)
    assert refused.returncode == 2 and 'did you mean "hourly"?' in refused.stderr
    a.create(name, size="64M", **{"class": "scratch"})
    a.create(name + "-idle", size="64M", **{"class": "scratch"})
    assert "snapshots: hourly keep 24, daily keep 7" in a.cli("volume", "inspect", name).stdout
    a.attach(name)
    wait_for("both are made", lambda: by_rule(a, name) == ["daily", "hourly"], 30)
    assert all(s["name"].startswith(s["schedule"] + "-20") for s in listed(a, name))
    # Nobody writes to what isn't attached.
    assert listed(a, name + "-idle") == []
    # A period has one: also after another attach, and beside one of a user.
    a.cli("snapshot", "create", name + "@mine")
    a.detach(name)
    b.attach(name)
    b.cli("class", "set", "scratch", "snapshots=hourly keep 24, daily keep 7, weekly keep 2")
    wait_for("the new rule is obeyed", lambda: "weekly" in by_rule(b, name), 30)
    assert by_rule(b, name) == ["daily", "hourly", "weekly"]
    rows = {line.split()[0]: line for line in b.cli("snapshot", "list", name).stdout.splitlines()}
    assert " user " in rows[name + "@mine"]
    b.detach(name)
    # A user's own holds the volume, what the schedule has made doesn't.
    with pytest.raises(ApiError, match="has 1 snapshots"):
        b.remove(name)
    b.cli("snapshot", "rm", name + "@mine")
    b.remove(name)
    b.remove(name + "-idle")


def test_the_oldest_goes_when_the_next_one_is_there(shared, name):
    a = shared["a"]
    a.cli("class", "set", "scratch", "snapshots=every 1m keep 1")
    a.create(name, size="64M", **{"class": "scratch"})
    a.attach(name)
    first = wait_for("one is made", lambda: [s["name"] for s in listed(a, name) if s["state"] == "ready"], 30)
    later = wait_for("another one stands in its place", lambda: [
        names for names in [[s["name"] for s in listed(a, name)]] if len(names) == 1 and names != first], 90)
    assert later[0][0] > first[0]
    a.cli("class", "set", "scratch", "snapshots=none")
    a.detach(name)
    a.remove(name)
