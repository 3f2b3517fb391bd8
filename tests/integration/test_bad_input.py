"""Bad input from disks, files, people and the network: one clear error each, and the agent lives on."""

import hashlib
import hmac
import os
import shutil
import socket
import struct
import subprocess
import threading

import pytest

from cluster import QUOIND, Cluster, UnixConnection, wait_for


def alive(agent):
    assert agent.alive(), agent.log_tail()
    assert agent.get("/v1/status")["node"] == agent.name


def pool_state(agent):
    pools = [p for p in agent.get("/v1/pools")["pools"] if p["node"] == agent.name]
    return pools[0]["state"] if pools else None


def start_and_fail_pool(agent, part):
    agent.start(ready=False)
    wait_for("the pool's failure", lambda: agent.events("pool-failed"), 30)
    text = agent.events("pool-failed")[-1]["text"]
    assert part in text, text
    wait_for("failed", lambda: pool_state(agent) == "failed")
    alive(agent)


def test_scribbled_superblock_is_refused_and_not_formatted(cluster):
    agent = cluster["c"]
    agent.stop()
    size = os.stat(agent.pool).st_size
    with open(agent.pool, "r+b") as f:
        f.write(os.urandom(1 << 20))
        f.seek(size - (1 << 20))
        f.write(os.urandom(1 << 20))
        f.seek(0)
        before = f.read(1 << 16)
    start_and_fail_pool(agent, "superblock")
    with open(agent.pool, "rb") as f:
        assert f.read(1 << 16) == before
    alive(cluster["a"])


def test_truncated_pool_is_refused(cluster):
    agent = cluster["c"]
    agent.stop()
    os.truncate(agent.pool, 1 << 20)
    start_and_fail_pool(agent, "pool")


def test_emptied_pool_is_not_made_anew_under_its_name(cluster):
    agent = cluster["c"]
    agent.stop()
    size = os.stat(agent.pool).st_size
    os.truncate(agent.pool, 0)
    os.truncate(agent.pool, size)
    start_and_fail_pool(agent, "superblock")


def test_pool_of_another_cluster_is_refused(cluster):
    other = Cluster()
    try:
        other.add("x")
        other.init()["x"].start()
        other["x"].stop()
        agent = cluster["c"]
        agent.stop()
        shutil.copyfile(other["x"].pool, agent.pool)
        start_and_fail_pool(agent, "cluster")
    finally:
        assert not other.close()


def test_file_with_a_filesystem_is_not_taken(cluster):
    path = cluster["a"].dir / "precious"
    with open(path, "wb") as f:
        f.truncate(2 << 30)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(path)], check=True, timeout=60)
    done = cluster["a"].cli("pool", "add", "extra", str(path), check=False)
    assert done.returncode != 0
    assert "ext4" in done.stdout + done.stderr
    subprocess.run(["e2fsck", "-fn", str(path)], check=True, timeout=60, stdout=subprocess.DEVNULL)


def test_empty_file_is_added_as_a_pool(cluster):
    path = cluster["a"].dir / "more"
    with open(path, "wb") as f:
        f.truncate(2 << 30)
    cluster["a"].cli("pool", "add", "more", str(path), "--tier", "low")
    wait_for("b sees it", lambda: any(p["name"] == "more" and p["state"] == "ok" and p["tier"] == "low"
                                      for p in cluster["b"].get("/v1/pools")["pools"]))
    # It is known after a restart, though no configuration names it.
    cluster["a"].kill()
    cluster["a"].start()
    wait_for("opened again", lambda: any(p["name"] == "more" and p["state"] == "ok"
                                         for p in cluster["a"].get("/v1/pools")["pools"]))


def test_two_agents_with_one_pool_the_second_is_refused(cluster):
    c = cluster["c"]
    c.stop()
    c.config.write_text(c.config.read_text().replace(str(c.pool), str(cluster["b"].pool)))
    start_and_fail_pool(c, "is held by quoind")
    alive(cluster["b"])
    assert pool_state(cluster["b"]) == "ok"


def test_two_agents_with_one_state_directory_the_second_ends(cluster):
    done = subprocess.run([str(QUOIND), "--config", str(cluster["a"].config)], capture_output=True, text=True,
                          timeout=30, stdin=subprocess.DEVNULL)
    assert done.returncode != 0
    assert "another agent" in done.stderr
    alive(cluster["a"])


def test_unknown_config_key_is_named_with_line_and_nearest(tmp_path):
    config = tmp_path / "quoind.conf"
    config.write_text("[node]\nname = a\nlisten_on = 127.0.0.1:1\nzone = z\nzome = y\n")
    done = subprocess.run([str(QUOIND), "--config", str(config), "--check-config"], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 2
    assert f"{config}:3: unknown key" in done.stderr
    config.write_text("[node]\nname = a\nzome = y\n")
    done = subprocess.run([str(QUOIND), "--config", str(config)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert 'did you mean "zone"?' in done.stderr


def test_body_of_100_mib_is_refused_early(shared):
    agent = shared["a"]
    connection = UnixConnection(str(agent.socket), 30)
    connection.connect()
    total = 100 << 20
    connection.sock.sendall(b"POST /v1/volumes HTTP/1.1\r\nHost: q\r\nContent-Type: application/json\r\n"
                            b"Content-Length: %d\r\n\r\n" % total)
    sent = 0
    try:
        while sent < total:
            sent += connection.sock.send(b" " * (1 << 20))
    except OSError:
        pass  # it has hung up: it need not take it all
    answer = b""
    try:
        answer = connection.sock.recv(4096)
    except OSError:
        pass
    connection.close()
    assert sent < total or b" 413 " in answer.split(b"\r\n")[0] + b" "
    alive(agent)


def test_half_a_request_and_silence_does_not_hold_others(shared):
    agent = shared["a"]
    halves = []
    for _ in range(20):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(agent.socket))
        s.sendall(b"POST /v1/volumes HTTP/1.1\r\nHost: q\r\nContent-Le")
        halves.append(s)
    alive(agent)
    for s in halves:
        s.settimeout(30)
        try:
            assert s.recv(4096).split(b"\r\n")[0].split()[1:2] in ([], [b"408"])
        except ConnectionResetError:
            pass
        s.close()
    alive(agent)


def test_malformed_json_is_an_error_that_says_so(shared):
    agent = shared["a"]
    for body in (b"{", b"[]", b"\xff\xfe", b'{"name": 5}', b'{"name": "v", "name": "w"}', b""):
        connection = UnixConnection(str(agent.socket), 10)
        connection.request("POST", "/v1/volumes", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert 400 <= answer.status < 500, body
        assert b"error" in answer.read()
        connection.close()
    alive(agent)


def frame_header(length=0, payload=0):
    head = struct.pack("<IHH16sII", 0x576E6F51, 1, 1, b"\0" * 16, length, payload)
    return head + struct.pack("<IIQ", 0, 0, 0)


def test_strangers_and_bad_frames_on_the_data_port_get_nothing(shared):
    agent = shared["a"]
    words = [os.urandom(4096), b"GET / HTTP/1.1\r\n\r\n", frame_header(), frame_header(payload=0xFFFFF000),
             frame_header(length=0xFFFFFFFF), b"\0" * 65536, b"Q"]

    def speak(data):
        with socket.create_connection(("127.0.0.1", agent.port), 10) as s:
            s.settimeout(15)
            try:
                s.sendall(data)
                while s.recv(65536):
                    pass
            except (ConnectionResetError, BrokenPipeError):
                pass

    threads = [threading.Thread(target=speak, args=(w,)) for w in words]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
        assert not t.is_alive(), "the agent keeps a stranger's connection"
    alive(agent)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def received(s, count):
    data = b""
    while len(data) < count:
        more = s.recv(count - len(data))
        assert more, "the agent has hung up"
        data += more
    return data


def known_peer(agent):
    """A connection that has passed the challenge by the cluster's key: who may send frames."""
    key = bytes.fromhex((agent.cluster.dir / "cluster.key").read_text().strip())
    s = socket.create_connection(("127.0.0.1", agent.port), 10)
    s.settimeout(15)
    mine = os.urandom(32)
    s.sendall(struct.pack("<IHH", 0x486E6F51, 1, 1) + mine + bytes(8))
    theirs = received(s, 48)[8:40]
    s.sendall(hmac.new(key, b"quoin 1 client  " + mine + theirs, hashlib.sha256).digest())
    proof = hmac.new(key, b"quoin 1 server  " + theirs + mine, hashlib.sha256).digest()
    assert hmac.compare_digest(received(s, 32), proof)
    return s


def refused(agent, reason):
    with socket.create_connection(("127.0.0.1", agent.metrics_port), 10) as s:
        s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
    return sum(float(line.split()[-1]) for line in text.splitlines()
               if line.startswith("quoin_net_refused_total") and f'reason="{reason}"' in line)


@pytest.mark.parametrize("reason, header", [
    ("crc", lambda: frame_with_sum()[:32] + b"\x12\x34\x56\x78" + bytes(12)),
    ("crc", lambda: frame_with_sum(length=8, body_crc=1) + b"8 bytes."),
    ("size", lambda: frame_with_sum(length=0xFFFFFFFF)),
    ("size", lambda: frame_with_sum(payload=0xFFFFF000)),
    ("magic", lambda: b"\0" * 48),
    ("version", lambda: frame_with_sum(version=2)),
], ids=["header's CRC", "body's CRC", "body of 4 GiB", "payload of 4 GiB", "magic", "version"])
def test_bad_frame_of_a_known_peer_closes_its_connection_with_a_counted_reason(shared, reason, header):
    agent = shared["a"]
    before = refused(agent, reason)
    with known_peer(agent) as s:
        s.sendall(header())
        try:
            while s.recv(65536):
                pass
        except ConnectionResetError:
            pass
    wait_for(f"refused for its {reason}", lambda: refused(agent, reason) == before + 1)
    alive(agent)


def frame_with_sum(version=1, length=0, payload=0, body_crc=0):
    """A frame's header, its own checksum right."""
    head = struct.pack("<IHH16sII", 0x576E6F51, version, 1, b"\0" * 16, length, payload)
    return head + struct.pack("<IIQ", crc32c(head), body_crc, 0)


def test_wrong_cluster_key_is_refused(cluster):
    c = cluster["c"]
    c.stop()
    key = cluster.dir / "other.key"
    key.write_text("ab" * 32 + "\n")
    key.chmod(0o600)
    c.config.write_text(c.config.read_text().replace(f"{cluster.dir}/cluster.key", str(key)))
    c.start(ready=False)
    wait_for("the words", lambda: "key" in (c.get("/v1/status")["not_ready"] or ""), 20)
    alive(cluster["a"])


def test_readable_cluster_key_is_refused(cluster):
    c = cluster["c"]
    c.stop()
    key = cluster.dir / "cluster.key"
    key.chmod(0o644)
    done = subprocess.run([str(QUOIND), "--config", str(c.config)], capture_output=True, text=True, timeout=30)
    key.chmod(0o600)
    assert done.returncode != 0
    assert "chmod 0600" in done.stderr
