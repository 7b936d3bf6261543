"""The pod: one server on one device, under Pod Security "restricted"."""

import math
from typing import Any

from timbre_operator.manifests.environment import API_KEYS_FOLDER, BUNDLE_FOLDER, CACHE_FOLDER, environment
from timbre_operator.manifests.metadata import Defaults
from timbre_operator.manifests.scheduling import scheduling
from timbre_operator.names import CONTAINER, HTTP_PORT, OPS_PORT, Manifest, common_labels, service_account_name
from timbre_operator.voicemodel import VoiceModel

USER = 10001
STARTUP_PERIOD = 2
PRE_STOP_SECONDS = 5
"""Time for every node to learn that this pod gets no more connections."""
AFTER_DRAIN_SECONDS = 10


def pod_template(voicemodel: VoiceModel, defaults: Defaults) -> Manifest:
    extra = voicemodel.spec.pod_template.metadata
    metadata: Manifest = {"labels": {**extra.labels, **common_labels(voicemodel.name)}}
    if extra.annotations:
        metadata["annotations"] = dict(extra.annotations)
    return {"metadata": metadata, "spec": pod_spec(voicemodel, defaults)}


def pod_spec(voicemodel: VoiceModel, defaults: Defaults) -> Manifest:
    spec: Manifest = {
        "serviceAccountName": service_account_name(voicemodel.name),
        "automountServiceAccountToken": False,
        # Services become variables such as TIMBRE_PORT, which the server would read as its settings.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": voicemodel.spec.drain_seconds + AFTER_DRAIN_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container(voicemodel, defaults)],
        "volumes": volumes(voicemodel),
        **scheduling(voicemodel),
    }
    secrets = [secret.to_api() for secret in voicemodel.spec.runtime.image_pull_secrets]
    return spec | ({"imagePullSecrets": secrets} if secrets else {})


def container(voicemodel: VoiceModel, defaults: Defaults) -> Manifest:
    runtime = voicemodel.spec.runtime
    described: Manifest = {
        "name": CONTAINER,
        "image": runtime.image or defaults.image,
        "env": environment(voicemodel),
        "ports": [port("http", HTTP_PORT), port("ops", OPS_PORT)],
        "resources": resources(voicemodel),
        "volumeMounts": mounts(voicemodel),
        **probes(voicemodel),
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
        # When the server dies without a last word, the end of its log is the message.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    policy = runtime.image_pull_policy or defaults.image_pull_policy
    return described | ({"imagePullPolicy": policy} if policy else {})


def port(name: str, number: int) -> Manifest:
    return {"name": name, "containerPort": number, "protocol": "TCP"}


def resources(voicemodel: VoiceModel) -> Manifest:
    wanted = voicemodel.spec.resources
    gpu = voicemodel.spec.gpu
    limits = {**wanted.limits, **({gpu.resource_name: str(gpu.count)} if gpu else {})}
    # Extended resources cannot be overcommitted, so a limit alone is a request as well.
    described = {"requests": _as_text(wanted.requests), "limits": _as_text(limits)}
    return {name: values for name, values in described.items() if values}


def probes(voicemodel: VoiceModel) -> Manifest:
    """On the ops port, which answers while the model works; loading may take as long as a rollout may stand still."""
    patience = math.ceil(voicemodel.spec.rollout.progress_deadline / STARTUP_PERIOD)
    return {
        "startupProbe": probe("/startupz", STARTUP_PERIOD, patience),
        "readinessProbe": probe("/readyz", 2, 3),
        "livenessProbe": probe("/livez", 10, 6),
    }


def probe(path: str, period: int, failures: int) -> Manifest:
    http = {"path": path, "port": "ops", "scheme": "HTTP"}
    return {"httpGet": http, "periodSeconds": period, "timeoutSeconds": 5, "failureThreshold": failures}


def volumes(voicemodel: VoiceModel) -> list[Manifest]:
    described: list[Manifest] = [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]
    if voicemodel.spec.auth:
        secret = voicemodel.spec.auth.api_keys_secret_ref
        items = [{"key": secret.key, "path": secret.key}]
        described.append({"name": "api-keys", "secret": {"secretName": secret.name, "items": items}})
    if claim := voicemodel.spec.model.claim:
        described.append({"name": "bundle", "persistentVolumeClaim": {"claimName": claim[0], "readOnly": True}})
    return described


def mounts(voicemodel: VoiceModel) -> list[Manifest]:
    described: list[Manifest] = [mount("data", CACHE_FOLDER), mount("tmp", "/tmp")]  # noqa: S108 - a volume of its own
    if voicemodel.spec.auth:
        described.append(mount("api-keys", API_KEYS_FOLDER) | {"readOnly": True})
    if voicemodel.spec.model.claim:
        described.append(mount("bundle", BUNDLE_FOLDER) | {"readOnly": True})
    return described


def mount(name: str, path: str) -> Manifest:
    return {"name": name, "mountPath": path}


def _as_text(quantities: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in quantities.items()}
