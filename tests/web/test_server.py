"""The server as programs and strangers see it, with a real collector behind it."""

import asyncio
import http.client
import json
import socket

import pytest

from rct_collector.control.messages import LONGEST
from rct_collector.web import browser, rpc
from rct_collector.web import server as servers
from tests.needs import library
from tests.web.test_prometheus import SAMPLE
from tests.website import PUBLIC, READ, SET, sunny_site, wait

aiohttp = library("aiohttp")
STATUS = {"jsonrpc": "2.0", "id": 1, "method": "status"}


@pytest.fixture(scope="module")
def site():
    with sunny_site() as running:
        wait(lambda: (unit := running.unit()) and len(unit.readings) > 100)
        yield running


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()


def ask(site, method, path, body=None, *, token=None, cookie=None, origin=None, **headers):
    """One request; ``origin`` "ours" is that of the page."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if isinstance(body, dict | list):
        body = json.dumps(body)
        sent.setdefault("Content-Type", "application/json")
    if token:
        sent["Authorization"] = f"Bearer {token}"
    if cookie:
        sent["Cookie"] = f"rct-collector={cookie}"
    if origin:
        sent["Origin"] = site.address if origin == "ours" else origin
    try:
        connection.request(method, path, body, sent)
        return Answer(connection.getresponse())
    finally:
        connection.close()


# -- who is let in -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/page.js", "/page.css", "/icon.svg", "/words.json", "/healthz"]
)
def test_what_is_the_same_for_all_needs_no_token_and_tells_nothing(site, path):
    found = ask(site, "GET", path)

    assert found.status == 200
    assert "roof" not in found.text
    assert ask(site, "HEAD", path).text == ""


@pytest.mark.parametrize("token", [None, "", "r" * 42, READ.upper(), f"{READ}x", "ä"])
def test_without_the_right_token_nothing_is_told(site, token):
    if token is not None:
        token = token.encode().decode("latin-1")
    for method, path, body in (
        ("GET", "/metrics", None), ("POST", "/rpc", STATUS), ("GET", "/api", None),
    ):  # fmt: skip
        found = ask(site, method, path, body, token=token or "x", Upgrade="websocket")
        assert (found.status, found.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "roof" not in found.text
    assert ask(site, "POST", "/login", {"token": token}, origin="ours").status == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost", "127.0.0.1", "192.0.2.1:{port}", "evil.example:{port}"]
)
@pytest.mark.parametrize("path", ["/", "/metrics", "/api", "/login", "/nothing"])
def test_a_foreign_host_is_not_served(site, host, path):
    found = ask(site, "GET", path, token=SET, Host=host.format(port=site.port))

    assert found.status == 421
    assert "roof" not in found.text


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "http://127.0.0.1:1"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/metrics"),
        ("GET", "/api"),
        ("POST", "/rpc"),
        ("POST", "/login"),
        ("POST", "/logout"),
    ],
)
def test_a_foreign_page_is_not_served(site, origin, method, path):
    found = ask(site, method, path, STATUS, origin=origin, cookie=SET, Upgrade="websocket")

    assert found.status == 403
    assert "roof" not in found.text
    assert "Set-Cookie" not in found.headers


def test_who_comes_with_a_cookie_says_from_which_page(site):
    """A browser says it whenever a page makes it send something."""
    assert ask(site, "POST", "/rpc", STATUS, cookie=READ).status == 403
    assert ask(site, "GET", "/api", cookie=READ, Upgrade="websocket").status == 403
    assert ask(site, "POST", "/rpc", STATUS, cookie=READ, origin="ours").status == 200
    assert ask(site, "POST", "/rpc", STATUS, token=READ).status == 200


def test_a_proxy_may_be_in_front_of_it(site):
    found = ask(site, "POST", "/rpc", STATUS, cookie=READ, origin=PUBLIC, Host="solar.example")

    assert found.status == 200


def test_a_token_becomes_a_cookie_that_no_script_and_no_other_page_gets(site):
    found = ask(site, "POST", "/login", {"token": SET}, origin="ours")

    assert found.status == 204
    cookie, *attributes = found.headers["Set-Cookie"].split("; ")
    assert cookie == f"rct-collector={SET}"
    assert {"HttpOnly", "SameSite=Strict", "Path=/", "Secure"} <= set(attributes)
    assert json.loads(ask(site, "GET", "/login", cookie=SET).text) == {"right": "set"}
    assert json.loads(ask(site, "GET", "/login", cookie=READ).text) == {"right": "read"}
    assert json.loads(ask(site, "GET", "/login").text) == {"right": "none"}


def test_logging_out_takes_the_cookie_away(site):
    found = ask(site, "POST", "/logout", {}, origin="ours", cookie=READ)

    assert found.status == 204
    assert found.headers["Set-Cookie"].startswith("rct-collector=; Max-Age=0; ")


def test_every_answer_forbids_what_the_page_does_not_need(site):
    for path in ("/", "/page.js", "/nothing", "/metrics"):
        found = ask(site, "GET", path)
        policy = dict(
            part.strip().split(" ", 1)
            for part in found.headers["Content-Security-Policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert not {"'unsafe-inline'", "'unsafe-eval'", "*", "data:"} & set(
            " ".join(policy.values()).split()
        )
        assert {
            value
            for name, value in policy.items()
            if name.endswith("-src") and name != "default-src"
        } == {"'self'"}
        assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
        assert found.headers["X-Content-Type-Options"] == "nosniff"
        assert found.headers["Referrer-Policy"] == "no-referrer"
        assert found.headers["Server"] == "rct-collector"


# -- what is said ------------------------------------------------------------------------------


def test_a_call_from_a_shell(site):
    found = json.loads(ask(site, "POST", "/rpc", STATUS, token=READ).text)

    assert found["id"] == 1
    assert [device["source"] for device in found["result"]["devices"]] == ["roof"]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"{", -32700), (b"\xff", -32700), (b"[" * 30000, -32700), (b"NaN", -32700),
        (b"1", -32600), (b"[]", -32600), (b'{"id": 1}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "subscribe"}', -32601),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "reload"}', -32601),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "values", "params": [1]}', -32602),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "values", "params": {"no": 1}}', -32602),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "values", "params": {"source": "no"}}', -32004),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "values", "params": {"source": {}}}', -32004),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "set"}', -32001),
    ],
)  # fmt: skip
def test_what_is_no_call_is_answered_with_an_error(site, said, code):
    found = ask(site, "POST", "/rpc", said, token=READ, Content_Type="application/json")

    answer = json.loads(found.text)
    assert answer["error"]["code"] == code
    assert "result" not in answer


def test_calls_together_and_without_an_answer(site):
    quiet = {"jsonrpc": "2.0", "method": "status"}

    assert ask(site, "POST", "/rpc", quiet, token=READ).status == 204
    found = json.loads(
        ask(site, "POST", "/rpc", [STATUS, quiet, {**STATUS, "id": "b"}], token=READ).text
    )
    assert [answer["id"] for answer in found] == [1, "b"]


def test_no_more_calls_than_a_few_at_a_time(site):
    calls = [{**STATUS, "id": n} for n in range(rpc.MOST + 2)]

    found = json.loads(ask(site, "POST", "/rpc", calls, token=READ).text)

    assert [answer.get("error", {}).get("code") for answer in found].count(-32005) == 2


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"],
)
@pytest.mark.parametrize("path", ["/rpc", "/login", "/logout"])
def test_a_form_is_not_read(site, path, kind):
    found = ask(site, "POST", path, json.dumps(STATUS), token=SET, Content_Type=kind)

    assert found.status == 415


@pytest.mark.parametrize("path", ["/rpc", "/login"])
def test_too_much_is_not_read(site, path):
    body = json.dumps({**STATUS, "params": {"series": "x" * LONGEST}})

    assert ask(site, "POST", path, body, token=SET, Content_Type="application/json").status == 413


@pytest.mark.parametrize(
    ("method", "path", "right"),
    [
        ("POST", "/", "GET"),
        ("PUT", "/rpc", "POST"),
        ("GET", "/rpc", "POST"),
        ("DELETE", "/login", "GET, POST"),
        ("OPTIONS", "/rpc", "POST"),
    ],
)
def test_the_wrong_method(site, method, path, right):
    found = ask(site, method, path, token=SET, origin="ours")

    assert (found.status, found.headers["Allow"]) == (405, right)
    assert not any(name.lower().startswith("access-control") for name in found.headers)


@pytest.mark.parametrize(
    "path", ["/nothing", "/../pyproject.toml", "/page/../server.py", "/%2e%2e/x", "//page.js/"]
)
def test_there_is_nothing_else(site, path):
    assert ask(site, "GET", path, token=SET).status == 404


def test_a_file_that_the_browser_has_is_not_sent_again(site):
    tag = ask(site, "GET", "/page.js").headers["ETag"]

    found = ask(site, "GET", "/page.js", If_None_Match=tag)
    assert (found.status, found.text) == (304, "")


def test_prometheus_gets_what_is_present(site):
    wait(lambda: "\ninverter_power_pv_watts{" in ask(site, "GET", "/metrics", token=READ).text)
    found = ask(site, "GET", "/metrics", token=READ)

    assert found.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in found.text.splitlines() if not line.startswith("#")]
    assert all(SAMPLE.fullmatch(line) for line in lines)
    assert 'inverter_collector_up{source="roof",vendor="rct"} 1' in lines
    assert len(lines) == len(set(line.partition(" ")[0] for line in lines))


# -- those who look on -------------------------------------------------------------------------


async def look(site, job, token=READ, **more):
    """Do something with a WebSocket."""
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as session:
        url = f"{site.address}/api"
        async with session.ws_connect(url, headers=headers, max_msg_size=0, **more) as line:
            return await asyncio.wait_for(job(line), 30)


async def until(line, method):
    """Notifications until one of a method."""
    while True:
        said = await line.receive_json()
        if said.get("method") == method:
            return said["params"]


@pytest.mark.parametrize(("token", "sets"), [(READ, False), (SET, True)])
def test_first_everything_then_what_changes(site, token, sets):
    async def job(line):
        return [await line.receive_json(), await line.receive_json(), await until(line, "update")]

    right, state, update = site.run(look(site, job, token))

    assert (right["method"], right["params"]) == ("right", {"sets": sets})
    assert state["method"] == "state"
    (device,) = state["params"]["devices"]
    (unit,) = device["units"]
    assert unit["up"]
    assert unit["values"]["inverter_power.pv_watts"][0] > 0
    assert unit["past"]["values"]["pv"][-1] > 0
    assert update["source"] == "roof"
    assert update["time"] >= unit["time"]


def test_calls_over_the_same_line(site):
    async def job(line):
        await line.send_json(STATUS)
        await line.send_str("{")
        found = []
        while len(found) < 2:
            said = await line.receive_json()
            found += [said] if "id" in said else []
        return found

    answers = {said["id"]: said for said in site.run(look(site, job))}

    assert answers[1]["result"]["devices"][0]["source"] == "roof"
    assert answers[None]["error"]["code"] == -32700


@pytest.mark.parametrize(("said", "code"), [(b"\x00", 1003), ("x" * (LONGEST + 1), 1009)])
def test_what_is_no_text_or_too_long_ends_it(site, said, code):
    async def job(line):
        await (line.send_bytes(said) if isinstance(said, bytes) else line.send_str(said))
        while (await line.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
        return line.close_code

    assert site.run(look(site, job)) == code


def test_no_more_browsers_than_there_is_room_for(site, monkeypatch):
    monkeypatch.setattr(servers, "MOST_BROWSERS", 1)

    async def job(line):
        await line.receive_json()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await look(site, job)
        return refused.value.status

    assert site.run(look(site, job)) == 503


def test_one_subscription_for_all_of_them(site):
    async def job(line):
        await line.receive_json()
        return site.collector.broker.clients

    async def many():
        return await asyncio.gather(*(look(site, job) for _ in range(20)))

    assert set(site.run(many())) == {1}


class Deaf:
    """A browser that does not read."""

    def __init__(self):
        self.aborted = False

    def abort(self):
        self.aborted = True

    close = abort


def test_who_does_not_read_is_cut_off():
    deaf = Deaf()
    told = browser.Browser(None, deaf, None)
    for _ in range(15):
        told.tell("x" * (browser.MOST_WAITING // 16))

    assert not deaf.aborted
    told.tell("x" * (browser.MOST_WAITING // 8))
    assert deaf.aborted
    assert not told._waiting


# -- those who are slow ------------------------------------------------------------------------


def hung_up(connection):
    """Whether the other end closes, in the time of the test."""
    connection.settimeout(20)
    try:
        while connection.recv(4096):
            pass
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize("said", [b"", b"GET /", b"GET / HTTP/1.1\r\nHost: "])
def test_half_a_request_is_not_waited_for_for_ever(site, monkeypatch, said):
    monkeypatch.setattr(servers, "PATIENCE_S", 0.1)
    with socket.create_connection(("127.0.0.1", site.port)) as connection:
        connection.sendall(said)
        assert hung_up(connection)


def test_half_a_body_is_not_waited_for_for_ever(site, monkeypatch):
    monkeypatch.setattr(servers, "PATIENCE_S", 0.1)
    head = (
        f"POST /rpc HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nAuthorization: Bearer {READ}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    with socket.create_connection(("127.0.0.1", site.port)) as connection:
        connection.sendall(head.encode())
        connection.settimeout(20)
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_more_connections_than_there_is_room_for_are_closed(site, monkeypatch):
    monkeypatch.setattr(servers, "MOST", 3)
    lines = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(12)]
    try:
        assert hung_up(lines[-1])
    finally:
        for line in lines:
            line.close()
    monkeypatch.undo()
    assert ask(site, "GET", "/healthz").status == 200


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n" * 50,
        b"GET / HTTP/1.1\r\n" + b"A: " + b"x" * 100_000 + b"\r\n\r\n",
        b"POST /rpc HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /rpc HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["tls", "version", "blank", "long header", "negative", "smuggled"],
)
def test_what_is_no_http_harms_nobody(site, monkeypatch, said):
    monkeypatch.setattr(servers, "PATIENCE_S", 0.1)
    with socket.create_connection(("127.0.0.1", site.port)) as connection:
        connection.sendall(said)
        connection.settimeout(20)
        try:
            answer = connection.recv(65536)
        except ConnectionError:
            answer = b""
    assert not answer or answer[8:10] == b" 4"  # behind the version of HTTP, as it was asked
    assert ask(site, "GET", "/healthz").status == 200
