"""The explorer over real sockets: who is let in, what is refused, many callers at once, its start and its end."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tokenspace as ts
from tokenspace.errors import OutputError

pytest.importorskip("starlette")
uvicorn = pytest.importorskip("uvicorn")

from tokenspace.explorer import application  # noqa: E402 - where the extra is there
from tokenspace.explorer.opened import Opened  # noqa: E402
from tokenspace.explorer.page import page_files  # noqa: E402
from tokenspace.explorer.safety import BODY, Doors, host_of, is_loopback  # noqa: E402
from tokenspace.explorer.server import Patient, address_of, listen  # noqa: E402

WORDS = ["king", "queen", "<script>", *(f"w{i}" for i in range(4997))]
ROWS = np.random.default_rng(1).standard_normal((5000, 24)).astype(np.float32)


class Running:
    """A server in a thread of this process."""

    def __init__(self, doors=None):
        self.socket = listen("127.0.0.1", 0)
        self.port = self.socket.getsockname()[1]
        app = application([Opened(ts.EmbeddingTable(WORDS, ROWS), "t")], doors=doors)
        config = uvicorn.Config(app, http=Patient, ws="none", lifespan="off", log_level="error", access_log=False, server_header=False)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]}, daemon=True)
        self.thread.start()

    def ask(self, path, *, method="GET", body=None, headers=None, host=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for key, value in {"Host": host or f"127.0.0.1:{self.port}", **(headers or {})}.items():
                if value is not None:
                    connection.putheader(key, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def stop(self):
        self.server.should_exit = True
        self.thread.join(10)
        self.socket.close()


@pytest.fixture(scope="module")
def server():
    running = Running()
    yield running
    running.stop()


NEAR = "/api/v1/near?q=king&k=5"
JSON = {"Content-Type": "application/json"}


def test_the_page_and_all_its_files_come_from_here_and_may_ask_nobody_else(server):
    status, headers, body = server.ask("/")
    assert status == 200
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert not re.search(r"unsafe|https?:|\*", policy)
    assert headers["x-content-type-options"] == "nosniff"
    for name in re.findall(rb'(?:src|href)="([^"]+)"', body):
        assert name.startswith(b"/static/"), name
        assert server.ask(name.decode())[0] == 200, name


def test_nothing_of_the_page_names_another_site():
    # What the files name: their own licence lines, and the names of XML.
    known = {
        b"http://www.w3.org/2000/svg",
        b"http://www.w3.org/1998/Math/MathML",
        b"http://www.w3.org/1999/xhtml",
        b"http://www.w3.org/1999/xlink",
    }
    for name, data in page_files().items():
        if not name.endswith((".md", ".d.ts")):
            assert set(re.findall(rb"https?://[\w./-]+", data)) <= known, name


def test_files_come_small_and_are_not_sent_twice(server):
    _, headers, packed = server.ask("/static/main.js", headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(packed) == page_files()["main.js"]
    status, _, body = server.ask("/static/main.js", headers={"If-None-Match": headers["etag"]})
    assert (status, body) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../app.py",
        "/static/%2e%2e/app.py",
        "/static//etc/passwd",
        "/etc/passwd",
        "/static/vendor/README.md",
        "/api/v1/nope",
        "/static/",
    ],
)
def test_no_address_is_a_path(server, path):
    assert server.ask(path)[0] == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:{port}", 200),
        ("LOCALHOST", 200),
        ("[::1]:{port}", 200),
        ("evil.example", 421),
        ("evil.example:{port}", 421),
        ("127.0.0.1.evil.example", 421),
        ("127.0.0.1@evil.example", 421),
        ("127.0.0.1:{port}/evil.example", 421),
        ("127.0.0.1:port", 421),
        ("192.168.1.7", 421),
    ],
)
def test_another_name_for_this_machine_is_not_answered(server, host, status):
    assert server.ask(NEAR, host=host.format(port=server.port))[0] == status


def test_a_page_of_another_site_may_not_ask(server):
    own = f"http://127.0.0.1:{server.port}"
    assert server.ask(NEAR, headers={"Origin": own})[0] == 200
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "file://"):
        assert server.ask(NEAR, headers={"Origin": origin})[0] == 403, origin
    assert server.ask(NEAR, headers={"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert server.ask(NEAR, headers={"Sec-Fetch-Site": "same-site"})[0] == 403
    assert server.ask("/", headers={"Sec-Fetch-Site": "cross-site"})[0] == 200  # a link to the page


def test_bodies_are_bounded_and_json(server):
    body = json.dumps({"queries": ["king", "queen"], "k": 3}).encode()
    status, _, answer = server.ask("/api/v1/near", method="POST", body=body, headers=JSON)
    assert status == 200
    assert len(json.loads(answer)["answers"]) == 2
    assert server.ask("/api/v1/near", method="POST", body=body, headers={"Content-Type": "text/plain"})[0] == 415
    assert server.ask("/api/v1/near", method="POST", body=b"x" * (BODY + 1), headers=JSON)[0] == 413
    for wrong in (
        b"",
        b"{",
        b"[]",
        b'{"queries": NaN}',
        b"[" * 50_000,
        b'\xff\xfe"',
        b'{"queries": ["king"], "k": 1e400}',
        b'{"queries": "king"}',
    ):
        status, _, answer = server.ask("/api/v1/near", method="POST", body=wrong, headers=JSON)
        assert status == 400, wrong[:20]
        assert json.loads(answer)["error"]["message"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_no_other_method_is_answered(server, method):
    assert server.ask(NEAR, method=method)[0] == 405


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/api/v1/near?q=kingg", 404, "UnknownTokenError"),
        ("/api/v1/near?q=king&k=1001", 400, "ArgumentError"),
        ("/api/v1/near?q=king&t=%2Fetc%2Fpasswd", 400, "ArgumentError"),
        ("/api/v1/near?q=%5B1,2%5D", 400, "ShapeError"),
        ("/api/v1/near?q=%23999999", 404, "RowIdError"),
        ("/api/v1/near?q=%ff%fe", 404, "UnknownTokenError"),
        ("/api/v1/near?q=%00", 404, "UnknownTokenError"),
        ("/api/v1/tokens?ids=5000", 404, "RowIdError"),
        ("/api/v1/map?method=axes&x=king&y=king%20-%20king", 400, "ZeroVectorError"),
        ("/api/v1/attention", 400, "ArgumentError"),
    ],
)
def test_what_cannot_be_answered_says_why(server, path, status, kind):
    seen, _, body = server.ask(path)
    error = json.loads(body)["error"]
    assert (seen, error["type"]) == (status, kind)
    assert error["message"]


def test_an_unknown_token_gets_its_nearest_spellings_but_not_while_somebody_types(server):
    assert "'king'" in json.loads(server.ask("/api/v1/near?q=kinng")[2])["error"]["hint"]
    status, _, body = server.ask("/api/v1/near?q=kinng&live=true")
    assert (status, json.loads(body)["error"]["hint"]) == (200, "")


def test_columns_are_raw_bytes_that_need_not_be_sent_again(server):
    status, headers, body = server.ask("/api/v1/map?method=pca")
    assert (status, len(body)) == (200, 4 * 5000)
    assert json.loads(headers["x-column"])["shown"] == 5000
    assert server.ask("/api/v1/map?method=pca", headers={"If-None-Match": headers["etag"]})[0] == 304
    assert len(server.ask("/api/v1/column?name=cluster")[2]) == 5000


def test_answers_over_one_connection_do_not_wait_for_each_other_to_be_acknowledged(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    taken = []
    for _ in range(30):
        began = time.perf_counter()
        connection.request("GET", "/static/mark.svg")
        connection.getresponse().read()
        taken.append(time.perf_counter() - began)
    connection.close()
    assert min(taken[10:]) < 0.02  # 0.4 ms; 44 ms where the second half of an answer waits for an ACK of the first


def test_two_hundred_callers_all_get_the_exact_answer(server):
    expected = json.loads(server.ask(NEAR)[2])
    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(lambda _: server.ask(NEAR), range(300)))
    assert {status for status, _, _ in answers} == {200}
    assert all(json.loads(body) == expected for _, _, body in answers[::20])


def test_a_caller_who_says_nothing_holds_nobody_up_and_is_hung_up_on(server, monkeypatch):
    monkeypatch.setattr("tokenspace.explorer.server.SLOW", 0.3)
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
    silent[0].sendall(b"GET / HT")
    assert server.ask(NEAR)[0] == 200
    for one in silent:
        one.settimeout(10)
        assert one.recv(1) == b""
        one.close()


def test_a_body_that_does_not_come_is_not_waited_for(server, monkeypatch):
    monkeypatch.setattr("tokenspace.explorer.safety.PATIENCE", 0.2)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as slow:
        head = "POST /api/v1/near HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
        slow.sendall(head.encode())
        assert slow.recv(100).startswith(b"HTTP/1.1 408")


def test_garbage_is_no_request(server):
    for wrong in (b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"G" * 300_000):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as strange:
            try:
                strange.sendall(wrong)
                with contextlib.suppress(OSError):  # it may have hung up already
                    strange.shutdown(socket.SHUT_WR)
                said = strange.recv(100)
            except ConnectionError:
                continue
            assert said == b"" or said.split()[1] in {b"400", b"421"}, wrong[:20]
    assert server.ask(NEAR)[0] == 200


# ------------------------------------------------------------------------------------------------------------- beyond this machine


def test_beyond_loopback_nobody_is_let_in_without_the_token():
    running = Running(Doors(frozenset({"127.0.0.1"}), token="s3cret"))  # noqa: S106 - a test's own
    try:
        assert running.ask(NEAR)[0] == 401
        assert running.ask("/")[0] == 401
        assert running.ask("/?token=wrong")[0] == 401
        status, headers, _ = running.ask("/?token=s3cret")
        assert status == 200
        cookie = headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert running.ask(NEAR, headers={"Cookie": cookie.partition(";")[0]})[0] == 200
        assert running.ask(NEAR, headers={"Cookie": "tokenspace=wrong"})[0] == 401
        assert running.ask(NEAR, headers={"Cookie": "x=\x7f;;=; tokenspace"})[0] == 401
    finally:
        running.stop()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("LocalHost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.org", False),
    ],
)
def test_only_this_machine_needs_no_token(host, loopback):
    assert is_loopback(host) is loopback
    assert bool(Doors.of(host).token) is not loopback


def test_an_address_says_where_and_with_what():
    assert address_of("127.0.0.1", 8642, Doors.of("127.0.0.1")) == "http://127.0.0.1:8642/"
    assert address_of("::1", 1, Doors.of("::1")) == "http://[::1]:1/"
    assert re.fullmatch(r"http://[^/]+:80/\?token=[\w-]{32}", address_of("0.0.0.0", 80, Doors.of("0.0.0.0")))
    assert Doors.of("0.0.0.0").admits("192.168.3.4:8642")
    assert not Doors.of("0.0.0.0").admits("evil.example")
    assert [host_of(text) for text in ("A:1", "[::1]:2", "a b", "", "a/b", "x@a")] == ["a", "::1", None, None, None, None]


def test_a_taken_port_is_said_and_the_next_one_taken_where_none_was_asked_for():
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(OutputError, match=f"port {port} of 127.0.0.1 is taken"):
            listen("127.0.0.1", port)
    with listen("127.0.0.1", None) as one, listen("127.0.0.1", None) as other:
        assert one.getsockname()[1] != other.getsockname()[1]
    with pytest.raises(OutputError, match="cannot listen on"):
        listen("no.such.host.invalid", 0)


# ------------------------------------------------------------------------------------------------------------------ the command


@pytest.fixture
def table(tmp_path):
    ts.save(ts.EmbeddingTable(WORDS, ROWS), tmp_path / "words.npz")
    np.save(tmp_path / "counts.npy", np.arange(5000))
    return tmp_path / "words.npz"


def test_the_command_prints_an_address_serves_and_ends_with_ctrl_c(table):
    command = [
        sys.executable,
        "-m",
        "tokenspace",
        "explore",
        str(table),
        "--no-open",
        "--port",
        "0",
        "--column",
        f"n={table.parent / 'counts.npy'}",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().strip()
            port = int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/", address)[1])
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", "/api/v1/tables")
            shown = json.loads(connection.getresponse().read())["tables"][0]
            assert (shown["n"], shown["name"], shown["columns"][-1]) == (5000, "words.npz", "n")
            connection.close()
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "Traceback" not in said


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_two_hundred_at_once_wait_their_share_and_leave_no_memory_behind(tmp_path):
    rows = np.random.default_rng(0).standard_normal((60_000, 32)).astype(np.float32)
    ts.save(ts.EmbeddingTable([f"w{i}" for i in range(len(rows))], rows), tmp_path / "t.safetensors")
    command = [sys.executable, "-m", "tokenspace", "explore", str(tmp_path / "t.safetensors"), "--no-open", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            port = int(process.stdout.readline().rstrip("/\n").rpartition(":")[2])

            def ask(row):
                began = time.perf_counter()
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                connection.request("GET", f"/api/v1/near?q=w{row}&k=12")
                assert connection.getresponse().read().startswith(b'{"table"')
                connection.close()
                return time.perf_counter() - began

            def memory(name):
                with open(f"/proc/{process.pid}/status", encoding="ascii") as file:  # noqa: PTH123
                    return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))

            def alone(first):
                return float(np.median([ask(row) for row in range(first, first + 30)]))

            def crowd(first):
                with ThreadPoolExecutor(200) as pool:
                    return max(pool.map(ask, range(first, first + 200)))

            crowd(100)  # codes are made, and rooms for as many as ever come
            before, held, longest, after = alone(0), memory("VmRSS"), crowd(300), alone(50)
            assert longest < 4 * 200 * max(before, after)  # measured: 0.8 to 1.6 times 200 of them, the callers' own time among it
            assert memory("VmRSS") - held < 8e6  # 0.6 MB
            assert memory("VmHWM") - held < 16e6  # while they wait: 1.2 MB
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--port", "70000"], "70000"),
        (["--column", "nowhere.npy"], "nowhere.npy"),
        (["--model", "nowhere"], "nowhere"),
        (["nowhere.npz"], "nowhere.npz"),
    ],
)
def test_bad_use_is_one_message(table, more, said):
    command = [sys.executable, "-m", "tokenspace", "explore", str(table), "--no-open", "--port", "0", *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in {1, 2}
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_threads_of_the_server_are_few_however_many_ask(server):
    with ThreadPoolExecutor(60) as pool:
        futures = [pool.submit(server.ask, NEAR) for _ in range(120)]
        most = 0
        while not all(future.done() for future in futures):
            most = max(most, sum("AnyIO" in thread.name for thread in threading.enumerate()))
            time.sleep(0.002)
    assert most <= 4
