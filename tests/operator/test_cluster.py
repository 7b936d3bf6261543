"""What an answer of the API server leads to. A small real HTTP server gives the answers, over real connections."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio import client

from tests.support.control_plane import free_port
from timbre_operator.cluster import Cluster
from timbre_operator.errors import ApiError, NotInstalledError, RefusedError, RetryLaterError

Answer = Callable[[web.Request], Awaitable[web.Response]]
MANIFEST = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "b"}, "spec": {}}


@asynccontextmanager
async def connected(answer: Answer, calls: list[tuple[str, str, int]] | None = None) -> AsyncIterator[Cluster]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        async with client.ApiClient(client.Configuration(host=f"http://127.0.0.1:{port}")) as api:
            yield Cluster(api, lambda *call: calls.append(call) if calls is not None else None)
    finally:
        await runner.cleanup()


def says(status: int, message: str = "no", headers: dict[str, str] | None = None) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"kind": "Status", "message": message}, status=status, headers=headers)

    return answer


@pytest.mark.parametrize(
    ("status", "consequence"),
    [
        pytest.param(409, RetryLaterError, id="somebody wrote in between"),
        pytest.param(429, RetryLaterError, id="too many requests"),
        pytest.param(500, RetryLaterError, id="an internal error"),
        pytest.param(503, RetryLaterError, id="not available"),
        pytest.param(504, RetryLaterError, id="too slow"),
        pytest.param(400, RefusedError, id="nonsense"),
        pytest.param(403, RefusedError, id="forbidden"),
        pytest.param(422, RefusedError, id="invalid"),
    ],
)
async def test_the_status_decides_whether_it_is_tried_again(status: int, consequence: type[ApiError]) -> None:
    async with connected(says(status, "because")) as cluster:
        with pytest.raises(consequence, match="because"):
            await cluster.apply(MANIFEST)


async def test_the_api_servers_wish_for_a_pause_is_passed_on_within_reason() -> None:
    for asked, waited in (("7", 7.0), ("86400", 60.0), ("Tomorrow", 0.0)):
        async with connected(says(429, headers={"Retry-After": asked})) as cluster:
            with pytest.raises(RetryLaterError) as caught:
                await cluster.apply(MANIFEST)
            assert caught.value.delay == waited


async def test_only_what_a_quota_or_a_right_forbids_may_pass_by_itself() -> None:
    for status, may_pass in ((403, True), (422, False)):
        async with connected(says(status)) as cluster:
            with pytest.raises(RefusedError) as caught:
                await cluster.apply(MANIFEST)
            assert caught.value.may_pass is may_pass


async def test_no_answer_is_tried_again() -> None:
    settings = client.Configuration(host=f"http://127.0.0.1:{free_port()}")
    calls: list[tuple[str, str, int]] = []
    async with client.ApiClient(settings) as api:
        with pytest.raises(RetryLaterError, match="no answer"):
            await Cluster(api, lambda *call: calls.append(call)).get("Service", "b", "a")
    assert calls == [("get", "Service", 0)]


async def test_an_answer_that_is_no_json_is_an_error_with_its_text() -> None:
    async def proxy(_: web.Request) -> web.Response:
        return web.Response(status=502, text="<html>bad gateway</html>")

    async with connected(proxy) as cluster:
        with pytest.raises(RetryLaterError, match="bad gateway"):
            await cluster.apply(MANIFEST)


async def test_what_is_not_there_is_none() -> None:
    async with connected(says(404)) as cluster:
        assert await cluster.get("Service", "b", "a") is None
        await cluster.delete("Service", "b", "a", uid="1")


async def test_an_apply_is_forced_strict_and_signed() -> None:
    seen: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request)
        assert await request.json() == MANIFEST
        return web.json_response(MANIFEST)

    async with connected(answer) as cluster:
        await cluster.apply(MANIFEST)
    (request,) = seen
    assert (request.method, request.path) == ("PATCH", "/api/v1/namespaces/b/services/a")
    assert dict(request.query) == {"fieldManager": "timbre-operator", "force": "true", "fieldValidation": "Strict"}
    assert request.headers["Content-Type"] == "application/apply-patch+yaml"
    assert request.headers["User-Agent"] == "timbre-operator"


async def test_a_long_list_is_read_page_by_page() -> None:
    pages: dict[str, dict[str, Any]] = {
        "": {"items": [{"n": 1}, {"n": 2}], "metadata": {"continue": "more"}},
        "more": {"items": [{"n": 3}], "metadata": {}},
    }

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(pages[request.query.get("continue", "")])

    async with connected(answer) as cluster:
        assert [item["n"] async for item in cluster.list("Pod", selector="x")] == [1, 2, 3]


async def test_a_cluster_without_the_crd_is_named_as_such() -> None:
    async with connected(says(404)) as cluster:
        with pytest.raises(NotInstalledError, match="install the CRD"):
            await cluster.check_installed()
