import os
import uuid

import pytest

from cluster import QUOIND, Cluster


def pytest_collection_modifyitems(items):
    for item in items:
        if os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="mounts and loop devices need root"))


def three_agents(docker=False, **how):
    assert QUOIND.exists(), f"{QUOIND} isn't built"
    cluster = Cluster()
    try:
        cluster.add("a", docker_socket=cluster.dir / "docker.sock" if docker else None, **how)
        cluster.add("b", **how)
        cluster.add("c", **how)
        cluster.init().start()
        yield cluster
    finally:
        problems = cluster.close()
    assert not problems, problems


@pytest.fixture(scope="module")
def shared(request):
    """Three agents for the tests of a module that leave them as they found them."""
    yield from three_agents()


@pytest.fixture(scope="module")
def agents(request):
    """The same; a has the Docker plugin."""
    yield from three_agents(docker=True)


@pytest.fixture
def cluster(request):
    """Three agents of the test's own."""
    yield from three_agents()


@pytest.fixture(scope="module")
def threaded(request):
    """As `shared`; each of two data-plane threads and two pools."""
    yield from three_agents(threads=2)


@pytest.fixture
def small(request):
    """As `cluster`; with pools of 1 GiB."""
    yield from three_agents(pool_gib=1)


@pytest.fixture
def name():
    """A volume's name that no other test has: device links are shared by the machine."""
    return "it-" + uuid.uuid4().hex[:8]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """The agents' last words beside a failure."""
    outcome = yield
    report = outcome.get_result()
    if report.failed and call.when == "call":
        for fixture in ("cluster", "shared"):
            found = item.funcargs.get(fixture)
            if isinstance(found, Cluster):
                for agent in found.agents.values():
                    if agent.log.exists():
                        report.sections.append((f"log of {agent.name}", agent.log_tail()))
