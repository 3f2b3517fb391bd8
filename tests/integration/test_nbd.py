"""A volume exported by NBD, used with the tools that people have: libnbd's, qemu's, fio's."""

import json
import os
import subprocess
import threading

import pytest

from cluster import ApiError, wait_for

MIB = 1 << 20
CLIENT = """import nbd, sys
client = nbd.NBD()
client.connect_uri(sys.argv[1])
print("in", flush=True)
sys.stdin.read()
client.shutdown()
"""


def tool(*words, timeout=120, check=True):
    done = subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=timeout)
    if check:
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


@pytest.fixture
def export(shared, name):
    """A volume of 256 MiB, exported at a: its socket and its URI."""
    shared["a"].create(name, size="256M")
    answer = shared["a"].request("POST", f"/v1/volumes/{name}/serve-nbd", {})
    socket = answer["volume"]["attached"]["device"]
    yield socket, f"nbd+unix:///{name}?socket={socket}"
    shared["a"].detach(name)
    assert not os.path.exists(socket)
    shared["a"].remove(name)


def test_cli_prints_the_uri_and_inspect_names_the_export(shared, name):
    shared["a"].create(name, size="64M")
    said = shared["a"].cli("volume", "serve-nbd", name).stdout
    assert f"nbd+unix:///{name}?socket=" in said
    assert "nbd export" in shared["a"].cli("volume", "inspect", name).stdout
    again = json.loads(shared["a"].cli("volume", "serve-nbd", name, "--json").stdout)
    assert again["volume"]["attached"]["front"] == "nbd"
    shared["a"].cli("volume", "detach", name)
    shared["a"].remove(name)


def test_nbdinfo_sees_size_features_and_block_sizes(export):
    info = json.loads(tool("nbdinfo", "--json", export[1]).stdout)["exports"][0]
    assert info["export-size"] == 256 * MIB
    for feature in ("multi_conn", "fua", "trim", "zero", "flush", "df", "fast_zero"):
        assert info[f"can_{feature}"], feature
    assert (info["block_size_minimum"], info["block_size_maximum"]) == (4096, MIB)
    assert "base:allocation" in info["contexts"]


def test_nbdcopy_brings_data_in_and_out_and_holes_stay_holes(export, tmp_path):
    source, back = tmp_path / "source", tmp_path / "back"
    with open(source, "wb") as f:
        f.truncate(256 * MIB)
        for at in (0, 5 * MIB, 100 * MIB + 4096, 255 * MIB):
            f.seek(at)
            f.write(os.urandom(300 * 1024))
    tool("nbdcopy", "--destination-is-zero", source, export[1])
    tool("nbdcopy", export[1], back)
    assert source.read_bytes() == back.read_bytes()
    extents = json.loads(tool("nbdinfo", "--map", "--json", export[1]).stdout)
    used = sum(e["length"] for e in extents if e["type"] == 0)
    assert 4 * 300 * 1024 <= used <= 4 * (300 * 1024 + 2 * 65536)
    assert sum(e["length"] for e in extents) == 256 * MIB


def test_qemu_img_converts_compares_and_maps(export, tmp_path):
    image = tmp_path / "image.qcow2"
    tool("qemu-img", "create", "-q", "-f", "qcow2", image, "256M")
    tool("qemu-io", "-f", "qcow2", "-c", "write -P 0x5a 1M 3M", "-c", "write -P 0x11 200M 64k", image)
    tool("qemu-img", "convert", "-n", "-f", "qcow2", "-O", "raw", image, export[1])
    assert "identical" in tool("qemu-img", "compare", "-f", "qcow2", "-F", "raw", image, export[1]).stdout
    tool("qemu-io", "-f", "raw", "-c", "read -P 0x5a 1M 3M", "-c", "discard 1M 1M", "-c", "read -P 0 1M 1M",
         "-c", "write -z 2M 1M", "-c", "read -P 0 2M 1M", "-c", "write -f -P 7 3M 4k", "-c", "flush",
         "-c", "read -P 7 3M 4k", export[1])
    mapped = json.loads(tool("qemu-img", "map", "--output=json", "-f", "raw", export[1]).stdout)
    assert sum(e["length"] for e in mapped if e["data"]) < 3 * MIB


def test_fio_verifies_on_several_connections_while_a_replica_is_killed_and_returns(shared, export):
    words = ["fio", "--name=v", "--ioengine=nbd", f"--uri={export[1]}", "--rw=randrw", "--bsrange=4k-128k",
             "--iodepth=16", "--verify=crc32c", "--time_based", "--runtime=10", "--numjobs=2", "--size=120M",
             "--offset_increment=128M", "--group_reporting", "--output-format=json"]
    result = {}
    thread = threading.Thread(target=lambda: result.update(done=tool(*words, check=False)))
    thread.start()
    try:
        shared["c"].kill()
        shared["c"].start()
    finally:
        thread.join(120)
    assert result["done"].returncode == 0, result["done"].stdout + result["done"].stderr


def test_a_volume_has_one_way_in_at_a_time(shared, name):
    a = shared["a"]
    a.create(name, size="64M")
    a.request("POST", f"/v1/volumes/{name}/serve-nbd", {})
    for method, path in (("POST", f"/v1/volumes/{name}/attach"), ("DELETE", f"/v1/volumes/{name}")):
        with pytest.raises(ApiError) as error:
            a.request(method, path, {} if method == "POST" else None)
        assert error.value.status == 409
        assert "detach" in error.value.text
    with pytest.raises(ApiError) as error:
        shared["b"].request("POST", f"/v1/volumes/{name}/serve-nbd", {})
    assert error.value.status == 409 and "on node a" in error.value.text
    a.detach(name)
    device = a.attach(name)
    with pytest.raises(ApiError) as error:
        a.request("POST", f"/v1/volumes/{name}/serve-nbd", {})
    assert error.value.status == 409 and device in error.value.text
    a.detach(name)
    a.remove(name)


def test_detach_waits_for_nobody_but_refuses_while_a_client_is_connected(shared, export, name):
    client = subprocess.Popen(["/usr/bin/python3", "-c", CLIENT, export[1]],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert client.stdout.readline() == b"in\n"
        with pytest.raises(ApiError) as error:
            shared["a"].detach(name)
        assert "1 NBD client is connected" in error.value.text
    finally:
        client.stdin.close()
        client.wait(20)
    wait_for("the client gone", lambda: shared["a"].volume(name)["attached"]["front"] == "nbd")


def test_an_export_is_there_again_after_the_agent_was_killed(cluster, name):
    a = cluster["a"]
    a.create(name, size="64M")
    socket = a.request("POST", f"/v1/volumes/{name}/serve-nbd", {})["volume"]["attached"]["device"]
    uri = f"nbd+unix:///{name}?socket={socket}"
    tool("qemu-io", "-f", "raw", "-c", "write -P 0x77 4M 1M", uri)
    a.kill()
    a.start()
    wait_for("the export", lambda: os.path.exists(socket) and a.volume(name)["attached"]["here"], 60)
    tool("qemu-io", "-f", "raw", "-c", "read -P 0x77 4M 1M", uri)
    a.detach(name)
