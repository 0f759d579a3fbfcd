"""What only the real etcd shows: members that fail, TLS, users, and mistakes in any of it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket

import pytest

from rct_collector.config.fleet import FleetOptions
from rct_collector.fleet.engine import EngineError
from tests.certificates import certificate
from tests.needs import library
from tests.processes import free_port, wait_for
from tests.servers.etcd import Cluster
from tests.servers.etcd import Etcd as Server

web = library("aiohttp.web")

from rct_collector.fleet.etcd import Etcd  # noqa: E402 - needs aiohttp

pytestmark = [pytest.mark.servers, pytest.mark.slow]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One member."""
    with Server(tmp_path_factory.mktemp("etcd")) as found:
        yield found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Three members, of which a test may kill one and start it again."""
    with Cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture(scope="module")
def private(tmp_path_factory):
    """One that speaks TLS, and its certificate."""
    folder = tmp_path_factory.mktemp("private")
    tls = certificate(folder / "tls", "127.0.0.1")
    with Server(folder / "etcd", tls=tls) as found:
        yield found, tls[1]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """One with users, of whom it forgets who has not been heard of for a second."""
    with Server(tmp_path_factory.mktemp("guarded"), "--auth-token-ttl", "1") as found:
        found.add_users("/rct-collector/v1", collector="right", stranger="right")
        yield found


def secret(folder, text):
    path = folder / "password"
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


def run(test, *endpoints, **options):
    """Run a test on an engine of its own."""

    async def main():
        etcd = Etcd(FleetOptions(etcd=endpoints, **options))
        try:
            return await asyncio.wait_for(test(etcd), 60)
        finally:
            await etcd.close()

    return asyncio.run(main())


def complaint(*endpoints, call=lambda etcd: etcd.get("/rct-collector/v1/settings"), **options):
    """What a call is answered where it cannot be done."""

    async def test(etcd):
        with pytest.raises(EngineError) as caught:
            await call(etcd)
        return str(caught.value)

    return run(test, *endpoints, **options)


# -- members that fail -----------------------------------------------------------------------------


def test_any_endpoint_will_do(server):
    """Whichever is the first; one that nobody listens at is left."""

    async def test(etcd):
        return await etcd.put("/any", b"")

    away = [f"http://127.0.0.1:{free_port()}" for _ in range(3)]
    for n in range(4):
        assert run(test, *away[:n], server.endpoint, *away[n:])


def test_a_watch_goes_on_at_another_endpoint(cluster):
    """Nothing is left out and nothing told twice, whichever member is gone meanwhile."""

    async def test(etcd):
        begin, told = await etcd.put("/w/begin", b""), []

        async def listen():
            following = begin + 1
            while True:
                with contextlib.suppress(EngineError):  # as who listens to a fleet: go on there
                    async for change in etcd.watch("/w/", following):
                        told.append((change.revision, change.key))
                        following = change.revision + 1
                await asyncio.sleep(0.05)

        listening = asyncio.create_task(listen())
        wanted = []
        for member in cluster.members:
            await asyncio.to_thread(member.kill)
            for _ in range(3):
                wanted.append(f"/w/{len(wanted)}")
                await persistently(etcd.put, wanted[-1], b"")
            await asyncio.to_thread(member.__enter__)
            assert await asyncio.to_thread(wait_for, member.healthy)
        async with asyncio.timeout(60):
            while len({key for _, key in told}) < len(wanted) and not listening.done():
                await asyncio.sleep(0.02)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        assert [*dict.fromkeys(key for _, key in told)] == wanted  # a put may be done twice
        assert told == await persistently(history, etcd, begin + 1, told[-1])

    run(test, *cluster.endpoints, ttl=5)


async def history(etcd, first, last):
    """What a single watch tells afterwards, from a revision to a change."""
    found = []
    async for change in etcd.watch("/w/", first):
        found.append((change.revision, change.key))
        if found[-1] == last:
            return found
    raise EngineError("the watch has ended")


async def persistently(call, *arguments):
    """As often as it takes, as who keeps a lease alive."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await call(*arguments)
            except EngineError:
                await asyncio.sleep(0.05)


def test_a_lease_outlives_the_leader(cluster):
    async def test(etcd):
        lease = await etcd.grant(60)
        token = await etcd.create("/outlives", b"", lease)
        leader = await asyncio.to_thread(lambda: cluster.leader)
        await asyncio.to_thread(leader.kill)
        assert await persistently(etcd.keep_alive, lease) > 0
        await asyncio.to_thread(leader.__enter__)
        assert (await etcd.get("/outlives")).create_revision == token

    run(test, *cluster.endpoints, ttl=5)


def test_a_silent_endpoint_is_left_and_watches_with_it(cluster):
    """It hangs up on nobody: calls that are not answered show that it is of no use."""

    async def test(etcd):
        begin = await etcd.put("/silent/begin", b"")
        watch = etcd.watch("/silent/", begin)
        await anext(watch)
        used = etcd._gateway.endpoint
        (member,) = (m for m in cluster.members if m.endpoint == used)
        with member.silent():
            made = await persistently(etcd.put, "/silent/made", b"")
            assert etcd._gateway.endpoint != used
            change = await asyncio.wait_for(anext(watch), 15)
            assert change.key == "/silent/made"
            assert begin < change.revision <= made  # a put that was not answered was done, too
        await watch.aclose()

    run(test, *cluster.endpoints, ttl=2)


def test_a_member_without_a_leader_is_no_good(cluster):
    """It would let watch, and tell nothing; two of three are away."""

    async def test(etcd):
        begin = await etcd.put("/alone/begin", b"")
        watch = etcd.watch("/alone/", begin)
        await anext(watch)
        others = [m for m in cluster.members if m.endpoint != etcd._gateway.endpoint]
        with contextlib.ExitStack() as stack:
            for member in others:
                stack.enter_context(member.silent())
            with pytest.raises(EngineError):
                await asyncio.wait_for(anext(watch), 30)

    run(test, *cluster.endpoints, ttl=2)
    assert wait_for(lambda: all(member.healthy() for member in cluster.members))


class Deaf:
    """Passes requests on to etcd, and swallows the answers that it is told to."""

    def __init__(self, endpoint):
        self._server = endpoint
        self.swallow = 0

    async def _pass(self, request):
        import aiohttp

        async with aiohttp.ClientSession() as session:
            body = await request.read()
            async with session.post(self._server + request.path, data=body) as answer:
                text = await answer.read()
        if self.swallow:
            self.swallow -= 1
            request.transport.abort()
        return web.Response(body=text, status=answer.status)

    @contextlib.asynccontextmanager
    async def serving(self):
        app = web.Application()
        app.router.add_post("/{path:.*}", self._pass)
        runner = web.AppRunner(app)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            await runner.cleanup()


def test_what_was_done_unheard_is_known_as_our_own(server):
    """An answer is lost: what is asked again finds its own work, and takes it for that."""

    async def main():
        deaf = Deaf(server.endpoint)
        async with deaf.serving() as endpoint:
            etcd = Etcd(FleetOptions(etcd=(endpoint,)))
            lease = await etcd.grant(10)
            deaf.swallow = 1
            token = await etcd.create("/deaf", b"me", lease)
            assert token == (await etcd.get("/deaf")).create_revision
            other = await etcd.grant(10)
            deaf.swallow = 1
            assert await etcd.create("/deaf", b"me", other) is None
            deaf.swallow = 1
            assert await etcd.replace("/deaf", b"new", token)
            deaf.swallow = 1
            assert not await etcd.replace("/deaf", b"newer", token)
            deaf.swallow = 1
            assert await etcd.delete("/deaf", token)
            deaf.swallow = 1
            await etcd.revoke(lease)
            await etcd.close()

    asyncio.run(main())


# -- TLS -------------------------------------------------------------------------------------------


def test_etcd_is_who_it_says(private, tmp_path):
    server, ca = private

    async def test(etcd):
        begin = await etcd.put("/tls", b"x")
        watch = etcd.watch("/tls", begin)
        assert (await anext(watch)).entry.value == b"x"
        await watch.aclose()

    run(test, server.endpoint, ca=ca)
    other = certificate(tmp_path, "127.0.0.1")[1]
    said = complaint(server.endpoint, ca=other)
    assert said.startswith(f"{server.endpoint} cannot prove who it is to {other}: self-signed")
    assert "ca is to name the file" in said
    assert "since no ca is given" in complaint(server.endpoint)


def test_the_name_in_the_certificate_is_that_of_the_host(private):
    server, ca = private
    endpoint = server.endpoint.replace("127.0.0.1", "localhost")
    assert "Hostname mismatch" in complaint(endpoint, ca=ca)


def test_both_speak_tls_or_none(private, server):
    open_, ca = private[0].endpoint.replace("https", "http"), private[1]
    said = complaint(open_)
    assert f"{open_} has broken off: " in said
    assert "if it wants TLS, its address begins with https://" in said
    closed = server.endpoint.replace("http", "https")
    said = complaint(closed, ca=ca)
    assert f"{closed} cannot be reached: " in said
    assert "if it knows no TLS, its address begins with http://" in said


def test_certificates_that_are_none(private, tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
    said = complaint(private[0].endpoint, ca=path)
    assert f"ca: {path} has no certificates that can be used" in said


# -- users -----------------------------------------------------------------------------------------


def test_a_user_is_let_in(guarded, tmp_path):
    options = {"username": "collector", "password_file": secret(tmp_path, "right")}
    key = "/rct-collector/v1/user"

    async def test(etcd):
        lease = await etcd.grant(10)
        begin = await etcd.create(key, b"x", lease)
        watch = etcd.watch(key, begin)
        assert (await anext(watch)).entry.value == b"x"
        await watch.aclose()
        await etcd.revoke(lease)

    run(test, guarded.endpoint, **options)


def test_a_token_that_is_forgotten_is_renewed(guarded, tmp_path):
    """For calls and for a watch, with the password that is in the file by then."""
    path = secret(tmp_path, "right")
    key = "/rct-collector/v1/renewed"

    async def test(etcd):
        begin = await etcd.put(key, b"1")
        root = guarded.ask("auth/authenticate", name="root", password="root")["token"]
        guarded.ask("auth/user/changepw", root, name="stranger", password="new")
        secret(tmp_path, "new")
        revisions = await asyncio.gather(*(etcd.put(key, b"2") for _ in range(5)))
        assert len(set(revisions)) == 5
        # A member that knows it no more says so only to calls; to a watch it permits nothing.
        etcd._gateway._token = "unknown.1"
        watch = etcd.watch(key, begin)
        assert (await asyncio.wait_for(anext(watch), 10)).entry.value == b"1"
        await watch.aclose()

    run(test, guarded.endpoint, username="stranger", password_file=path)


def test_a_lease_is_kept_alive_while_a_token_is_renewed(tmp_path):
    """A password is looked at for long, when a member is lost and all come to another one."""
    header = {"revision": "5"}

    async def main():
        may_go_on = asyncio.Event()
        given = []

        async def answer(request):
            token = request.headers.get("Authorization")
            if request.path.endswith("authenticate"):
                given.append(f"{len(given)}")
                if len(given) > 1:
                    await may_go_on.wait()
                return web.json_response({"token": given[-1]})
            if request.path.endswith("keepalive"):
                return web.json_response({"result": {"ID": "7", "TTL": "9"}})
            told = {"header": header, "canceled": True, "cancel_reason": "permission denied"}
            if token == "1":
                kv = {"key": "YQ==", "mod_revision": "5"}
                told = {"header": header, "events": [{"kv": kv}]}
            return web.json_response({"result": told})

        async with served(answer) as endpoint:
            password = secret(tmp_path, "x")
            options = FleetOptions(etcd=(endpoint,), username="a", password_file=password)
            etcd = Etcd(options)
            watch = etcd.watch("a", 5)
            told = asyncio.ensure_future(anext(watch))
            while len(given) < 2:
                await asyncio.sleep(0)
            assert await asyncio.wait_for(etcd.keep_alive(7), 5) == 9
            assert not told.done()
            may_go_on.set()
            assert (await asyncio.wait_for(told, 5)).key == "a"
            await watch.aclose()
            await etcd.close()

    asyncio.run(main())


def test_who_is_not_let_in(guarded, server, tmp_path):
    right, wrong = secret(tmp_path, "right"), tmp_path / "wrong"
    wrong.write_text("wrong")
    wrong.chmod(0o600)
    user = {"username": "collector", "password_file": wrong}
    assert complaint(guarded.endpoint, **user) == (
        f"{guarded.endpoint} does not let in the user 'collector': the password in {wrong} is wrong"
        " or there is no such user; 'etcdctl user passwd collector' sets it"
    )
    assert "set username and password_file" in complaint(guarded.endpoint)
    user["password_file"] = right
    assert "'etcdctl auth enable'" in complaint(server.endpoint, **user)
    said = complaint(guarded.endpoint, call=lambda etcd: etcd.get("/other"), **user)
    assert "the user 'collector' needs a role that may read and write all keys below" in said
    said = complaint(guarded.endpoint, call=lambda etcd: anext(etcd.watch("/other", 1)), **user)
    assert "does not let us watch /other: " in said
    right.unlink()
    assert complaint(guarded.endpoint, **user) == (
        f"password_file: expected a file that can be read; {right}: No such file or directory"
    )


# -- what is no etcd -------------------------------------------------------------------------------


def test_etcd_is_away():
    endpoints = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
    said = complaint(*endpoints, ttl=2)
    for endpoint in endpoints:
        assert f"{endpoint} cannot be reached: Connect" in said


def test_nobody_answers():
    """Who accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert complaint(endpoint, ttl=2) == f"{endpoint} has not answered in time"
        said = complaint(endpoint, call=lambda etcd: anext(etcd.watch("/", 1)), ttl=2)
        assert said == f"{endpoint} has not answered in time"


@pytest.mark.parametrize(
    ("status", "text"),
    [(200, "<html>A page</html>"), (404, "Not Found"), (200, "[]"), (302, ""), (500, '{"a": 1}')],
)
def test_what_answers_is_no_etcd(status, text):
    async def main():
        async def answer(_):
            return web.Response(status=status, text=text)

        async with served(answer) as endpoint:
            etcd = Etcd(FleetOptions(etcd=(endpoint,), ttl=2))
            with pytest.raises(EngineError) as caught:
                await etcd.get("/a")
            await etcd.close()
            assert f"{endpoint} answers with status {status}" in str(caught.value)
            assert "expected the address for clients of etcd 3.4 or newer" in str(caught.value)

    asyncio.run(main())


CALLS = {
    "grant": lambda etcd: etcd.grant(5),
    "keep_alive": lambda etcd: etcd.keep_alive(7),
    "get": lambda etcd: etcd.get("/a"),
    "list": lambda etcd: etcd.list("/a"),
    "put": lambda etcd: etcd.put("/a", b""),
    "create": lambda etcd: etcd.create("/a", b"", 7),
    "create_all": lambda etcd: etcd.create_all(["/a", "/b"], b"", 7),
    "delete": lambda etcd: etcd.delete("/a", 5),
    "watch": lambda etcd: anext(etcd.watch("/a", 5)),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"result": {}},
        {"header": [], "ID": {}, "kvs": [7], "responses": [{}], "succeeded": True, "events": [7]},
        {"header": {"revision": "x"}, "ID": "x", "kvs": [{"key": "?"}], "events": [{"kv": {}}]},
    ],
    ids=["empty", "nothing", "other types", "other texts"],
)
def test_what_answers_is_another_program_that_speaks_json(call, body):
    async def main():
        async def answer(_):
            return web.json_response(body)

        async with served(answer) as endpoint:
            etcd = Etcd(FleetOptions(etcd=(endpoint,), ttl=2))
            with pytest.raises(EngineError) as caught:
                await call(etcd)
            await etcd.close()
            assert f"{endpoint} answers with something else than etcd does" in str(caught.value)

    asyncio.run(main())


@contextlib.asynccontextmanager
async def served(answer):
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def test_what_is_too_large_is_said(server):
    said = complaint(server.endpoint, call=lambda etcd: etcd.put("/large", bytes(2_000_000)))
    assert "a fleet with more shards has fewer in each" in said


def test_clocks_that_differ_are_told_of_once(server, caplog):
    async def main():
        async def answer(_):
            value = base64.b64encode(b"x").decode()
            body = {"header": {"revision": "5"}, "kvs": [{"key": value, "value": value}]}
            return web.json_response(body, headers={"Date": "Sat, 01 Jan 2000 00:00:00 GMT"})

        async with served(answer) as endpoint:
            etcd = Etcd(FleetOptions(etcd=(endpoint,)))
            for _ in range(2):
                assert (await etcd.get("/a")).value == b"x"
            await etcd.close()
            return endpoint

    endpoint = asyncio.run(main())
    (message,) = caplog.messages
    assert f"s ahead of that of {endpoint}: times of samples will not fit together" in message

    async def test(etcd):
        await etcd.get("/a")

    caplog.clear()
    run(test, server.endpoint)
    assert not caplog.messages
