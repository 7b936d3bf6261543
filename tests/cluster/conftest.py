"""Fixtures of the tests that need a cluster: `make cluster images`, or CLUSTER=current."""

from collections.abc import Iterator

import pytest
from kubernetes import client, config
from tools.cluster import release
from tools.cluster.config import Config
from tools.cluster.kubernetes import Kubernetes, connect

from tests.cluster.support import VoiceModels, temporary_namespace


@pytest.fixture(scope="session")
def kubernetes() -> Kubernetes:
    return connect(Config.from_environment())


@pytest.fixture(scope="session")
def api(kubernetes: Kubernetes) -> Iterator[client.ApiClient]:
    path = str(kubernetes.kubeconfig) if kubernetes.kubeconfig else None
    with config.new_client_from_config(config_file=path) as connection:
        yield connection


@pytest.fixture(scope="session")
def operator(kubernetes: Kubernetes) -> None:
    """charts/timbre, with the images built last."""
    release.install(Config.from_environment(), kubernetes)


@pytest.fixture(scope="module")
def voicemodels(api: client.ApiClient, operator: None) -> Iterator[VoiceModels]:
    """An empty namespace for one file of tests."""
    with temporary_namespace(api) as namespace:
        yield namespace
