"""What a person can get wrong, and what the cluster then tells that person."""

import pytest
from kubernetes.client import ApiException

from tests.cluster.support import PULL_AND_LOAD, Body, VoiceModels, cpu_spec, eventually

pytestmark = pytest.mark.cluster
WRONG_DIGEST = f"sha256:{'0' * 64}"


def test_a_bundle_with_another_digest_ends_its_pod_with_65_and_the_voicemodel_names_the_file(
    voicemodels: VoiceModels,
) -> None:
    voicemodels.create("digest", cpu_spec(model={"source": "builtin://timbre-en", "digest": WRONG_DIGEST}))
    condition = eventually(
        lambda: found if (found := voicemodels.condition("digest", "Ready")).get("reason") == "BundleInvalid" else None,
        lambda: f"{voicemodels.status('digest')}",
        PULL_AND_LOAD,
    )
    assert "bundle.json" in condition["message"]
    failure = voicemodels.status("digest")["lastFailure"]
    assert failure["exitCode"] == 65
    voicemodels.delete("digest")


def test_an_image_that_is_nowhere_is_named_in_the_condition(voicemodels: VoiceModels) -> None:
    runtime = {"device": "cpu", "image": "timbre-inference:no-such-tag"}
    voicemodels.create("image", cpu_spec(runtime=runtime))
    condition = eventually(
        lambda: (
            found if (found := voicemodels.condition("image", "Ready")).get("reason") == "ImagePullFailed" else None
        ),
        lambda: f"{voicemodels.status('image')}",
    )
    assert "timbre-inference:no-such-tag" in condition["message"]
    voicemodels.delete("image")


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        pytest.param(cpu_spec(speling=True), "unknown field", id="an unknown field"),
        pytest.param(
            cpu_spec(autoscaling={"minReplicas": 3, "maxReplicas": 1}), "minReplicas", id="a minimum above the maximum"
        ),
        pytest.param(cpu_spec(resources={"requests": {"memory": "a lot"}}), "resources.requests", id="not a quantity"),
        pytest.param(
            cpu_spec(runtime={"device": "cuda"}, resources={"gpu": {"count": -1}}), "count", id="an impossible number"
        ),
    ],
)
def test_the_api_server_itself_refuses(voicemodels: VoiceModels, spec: Body, sentence: str) -> None:
    with pytest.raises(ApiException) as refused:
        voicemodels.create("refused", spec)
    assert refused.value.status in {400, 422}
    assert sentence in refused.value.body
