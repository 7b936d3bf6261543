"""More VoiceModels than GPUs, on a node with two (simulated) devices and the real scheduler."""

import pytest

from tests.cluster.support import PULL_AND_LOAD, VoiceModels, cpu_spec, eventually

pytestmark = pytest.mark.cluster
RESOURCES = {
    "requests": {"cpu": "100m", "memory": "512Mi"},
    # The device is only pretended, so the model runs on the processor: named here and not in `gpu`.
    "limits": {"memory": "3Gi", "nvidia.com/gpu": "1"},
}


def test_the_third_says_which_gpu_it_lacks_and_becomes_ready_when_one_is_freed(voicemodels: VoiceModels) -> None:
    for name in ("first", "second"):
        voicemodels.create(name, cpu_spec(resources=RESOURCES))
    for name in ("first", "second"):
        voicemodels.wait_until_ready(name)

    voicemodels.create("third", cpu_spec(resources=RESOURCES))
    condition = eventually(
        lambda: (
            found if (found := voicemodels.condition("third", "Ready")).get("reason") == "InsufficientGPU" else None
        ),
        lambda: f"third: {voicemodels.status('third')}",
    )
    assert condition["status"] == "False"
    assert "nvidia.com/gpu" in condition["message"]
    assert voicemodels.condition("first", "Ready")["status"] == "True"

    voicemodels.delete("first")
    voicemodels.wait_until_ready("third", PULL_AND_LOAD)
