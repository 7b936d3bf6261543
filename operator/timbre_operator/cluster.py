"""The API server. Nothing else in this package knows the Kubernetes client."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client, config

from timbre_operator.errors import NotInstalledError, RefusedError, RetryLaterError
from timbre_operator.names import API_VERSION, FIELD_MANAGER, KIND, PLURAL, Manifest

REQUEST_TIMEOUT = 30.0
CONNECTIONS = 16
JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
PAGE = 500
RETRIABLE = {408, 409, 410, 429, 500, 502, 503, 504}
MAY_PASS = {401, 403}
NOT_FOUND = 404
FIRST_ERROR = 300
CountCall = Callable[[str, str, int], None]
"""Verb, kind, HTTP status (0: no answer)."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Where the objects of one kind live in the API."""

    api_version: str
    plural: str

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        root = "/api" if "/" not in self.api_version else "/apis"
        parts = [root, self.api_version, *(("namespaces", namespace) if namespace else ()), self.plural]
        return "/".join(part for part in (*parts, name, subresource) if part)


RESOURCES: Mapping[str, Resource] = {
    KIND: Resource(API_VERSION, PLURAL),
    "Deployment": Resource("apps/v1", "deployments"),
    "Service": Resource("v1", "services"),
    "ServiceAccount": Resource("v1", "serviceaccounts"),
    "PodDisruptionBudget": Resource("policy/v1", "poddisruptionbudgets"),
    "HorizontalPodAutoscaler": Resource("autoscaling/v2", "horizontalpodautoscalers"),
    "Pod": Resource("v1", "pods"),
    "Event": Resource("v1", "events"),
}


class Cluster:
    """Reads, server-side apply and deletion, with errors turned into what to do about them."""

    def __init__(self, api: client.ApiClient, count: CountCall) -> None:
        self._api = api
        self._count = count

    async def check_installed(self) -> None:
        """Raises NotInstalledError when the API server does not know VoiceModels."""
        answer = await self._call("get", KIND, "GET", f"/apis/{API_VERSION}", missing_is_none=True)
        if answer is None or PLURAL not in {resource["name"] for resource in answer["resources"]}:
            raise NotInstalledError(f"the API server does not know {PLURAL}.{API_VERSION}: install the CRD first")

    async def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        return await self._call("get", kind, "GET", RESOURCES[kind].path(namespace, name), missing_is_none=True)

    async def list(self, kind: str, namespace: str = "", selector: str = "") -> AsyncIterator[Manifest]:
        """Every object of a kind, page by page; `namespace` empty means all."""
        token = ""
        while True:
            query = {"limit": str(PAGE), "labelSelector": selector, "continue": token}
            page = await self._call("list", kind, "GET", RESOURCES[kind].path(namespace), query) or {}
            for item in page["items"]:
                yield item
            token = page["metadata"].get("continue", "")
            if not token:
                return

    async def apply(self, manifest: Manifest, manager: str = FIELD_MANAGER) -> Manifest:
        return await self._apply(manifest, "", manager)

    async def merge(self, kind: str, namespace: str, name: str, change: Manifest, manager: str) -> Manifest:
        """A merge patch: unlike an apply, it replaces lists as a whole."""
        query = {"fieldManager": manager, "fieldValidation": "Strict"}
        path = RESOURCES[kind].path(namespace, name)
        answer = await self._call("patch", kind, "PATCH", path, query, change, content_type=MERGE)
        assert answer is not None  # noqa: S101 - only a missing object is None, and that was not asked for
        return answer

    async def apply_status(self, manifest: Manifest) -> Manifest:
        return await self._apply(manifest, "status", FIELD_MANAGER)

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Deletes this very object; one that has its name by now stays, and one that is gone is fine."""
        body = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        path = RESOURCES[kind].path(namespace, name)
        await self._call("delete", kind, "DELETE", path, body=body, missing_is_none=True)

    async def create_event(self, event: Manifest) -> None:
        await self._call("create", "Event", "POST", RESOURCES["Event"].path(event["metadata"]["namespace"]), body=event)

    async def _apply(self, manifest: Manifest, subresource: str, manager: str) -> Manifest:
        kind, metadata = manifest["kind"], manifest["metadata"]
        path = RESOURCES[kind].path(metadata["namespace"], metadata["name"], subresource)
        # Strict: a field that this API server does not know is an error, not something that silently does nothing.
        query = {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"}
        answer = await self._call("apply", kind, "PATCH", path, query, manifest, content_type=APPLY)
        assert answer is not None  # noqa: S101 - only a missing object is None, and that was not asked for
        return answer

    async def _call(
        self,
        verb: str,
        kind: str,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        *,
        missing_is_none: bool = False,
        content_type: str = JSON,
    ) -> Manifest | None:
        try:
            status, headers, text = await self._send(method, path, query or {}, body, content_type)
        except (aiohttp.ClientError, TimeoutError) as error:
            self._count(verb, kind, 0)
            raise RetryLaterError(f"{verb} {kind}: no answer from the API server: {error!r}") from error
        self._count(verb, kind, status)
        if status == NOT_FOUND and missing_is_none:
            return None
        if status >= FIRST_ERROR:
            raise _error(f"{verb} {kind} {path.rsplit('/', 1)[-1]}", status, headers, text)
        answer: Manifest = json.loads(text)
        return answer

    async def _send(
        self, method: str, path: str, query: Mapping[str, str], body: Manifest | None, content_type: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        headers = {"Accept": "application/json", "Content-Type": content_type, "User-Agent": FIELD_MANAGER}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = self._api.configuration.host + path
        if given := {name: value for name, value in query.items() if value}:
            url += "?" + urlencode(given)
        async with asyncio.timeout(REQUEST_TIMEOUT):
            answer = await self._api.rest_client.request(  # type: ignore[no-untyped-call]
                method, url, headers=headers, body=body, _request_timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT)
            )
            return answer.status, answer.headers, await answer.read()


def _error(what: str, status: int, headers: Mapping[str, str], text: bytes) -> RetryLaterError | RefusedError:
    try:
        message = json.loads(text).get("message", "")
    except ValueError:
        message = text.decode(errors="replace")[:500]
    sentence = message or f"{what}: HTTP {status}"
    if status in RETRIABLE or (status == NOT_FOUND):
        return RetryLaterError(f"{what}: {sentence}", _retry_after(headers))
    return RefusedError(sentence, may_pass=status in MAY_PASS)


def _retry_after(headers: Mapping[str, str]) -> float:
    try:
        return min(float(headers.get("Retry-After", "0")), 60.0)
    except ValueError:
        return 0.0


@asynccontextmanager
async def connect(count: CountCall) -> AsyncIterator[Cluster]:
    """A connection by service account inside a cluster, by kubeconfig outside."""
    # Without trust_env, which asks a thread for ~/.netrc at each request; kopf does the same. Fewer connections than
    # the default of 100: in a flurry of requests each new one would cost a TLS handshake.
    settings = client.Configuration(client_session_kwargs={"trust_env": False}, connection_pool_maxsize=CONNECTIONS)
    try:
        config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
    except config.ConfigException:
        await config.load_kube_config(client_configuration=settings)  # type: ignore[no-untyped-call]
    async with client.ApiClient(settings) as api:
        yield Cluster(api, count)
