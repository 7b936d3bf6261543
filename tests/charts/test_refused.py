"""Values that make no sense are refused before anything reaches a cluster."""

import re

import pytest

from tests.charts.helm import Helm, HelmError

REFUSED = [
    pytest.param("timbre", ["replicas=2"], "replicas", id="an unknown value"),
    pytest.param("timbre", ["operator.replicas=2"], "replicas", id="more operators than may act at once"),
    pytest.param("timbre", ["image.repo=x"], "repo", id="an unknown value of an image"),
    pytest.param("timbre", ["operator.logLevel=verbose"], "logLevel", id="a log level that doesn't exist"),
    pytest.param("timbre", ["operator.namespaces={Speech}"], "namespaces", id="a namespace no cluster can have"),
    pytest.param("timbre", ["operator.namespaces=speech"], "namespaces", id="a text for a list"),
    pytest.param("timbre", ["crds.enabled=maybe"], "crds.*enabled", id="a text for a switch"),
    pytest.param("timbre", ["image.digest=sha256:abc"], "digest", id="a digest that is none"),
    pytest.param("timbre", ["image.repository=a/b@sha256:0"], "repository", id="a digest in the repository"),
    pytest.param("timbre", ["image.pullPolicy=Sometimes"], "pullPolicy", id="a pull policy that doesn't exist"),
    pytest.param("timbre", ["operator.resources.requests.memory=lots"], "memory", id="a quantity that is none"),
    pytest.param("timbre", ["operator.resources.claims=1"], "claims", id="resources other than requests and limits"),
    pytest.param("timbre", ["monitoring.interval=often"], "interval", id="an interval that is none"),
    pytest.param("timbre", ["serviceAccount.create=false"], "serviceAccount.name is needed", id="no account to run as"),
    pytest.param("voice-models", ["models.a.enabled=true"], "models", id="an unknown section of the catalogue"),
    pytest.param("voice-models", ["voiceModels.a.enable=true"], "enable", id="an unknown value of an entry"),
    pytest.param("voice-models", ["voiceModels.Alto.enabled=true"], "Alto", id="a name no VoiceModel can have"),
    pytest.param("voice-models", ["voiceModels.a.spec.replica=2"], "replica", id="an unknown field of the spec"),
    pytest.param("voice-models", ["defaults.runtime.gpu=1"], "gpu", id="an unknown field of the defaults"),
    pytest.param("voice-models", ["voiceModels.a.spec.runtime.device=tpu"], "device", id="a device that doesn't exist"),
    pytest.param("voice-models", ["voiceModels.a.spec.replicas=many"], "replicas", id="a word for the replicas"),
]


@pytest.mark.parametrize(("chart", "settings", "named"), REFUSED)
def test_a_bad_value_is_refused_by_name(helm: Helm, chart: str, settings: list[str], named: str) -> None:
    arguments = [argument for setting in settings for argument in ("--set", setting)]
    with pytest.raises(HelmError) as refusal:
        helm.template(chart, *arguments)
    assert re.search(named, str(refusal.value))
