"""VoiceModel in, manifests out: each file of data/input must become the file of that name in data/output.

TIMBRE_UPDATE_GOLDEN=1 writes the outputs anew; read the difference before you commit it.
"""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.operator.voicemodels import DEFAULTS, voicemodel
from timbre_operator.manifests import build, revision_of
from timbre_operator.names import MANIFEST_HASH, selector_labels
from timbre_operator.voicemodel import VoiceModel, parse_voicemodel

DATA = Path(__file__).parent / "data"
INPUTS = sorted((DATA / "input").glob("*.yaml"))
Manifest = dict[str, Any]


@pytest.mark.parametrize("source", INPUTS, ids=[path.stem for path in INPUTS])
def test_a_voicemodel_becomes_its_golden_manifests(source: Path) -> None:
    manifests = build(parse_voicemodel(yaml.safe_load(source.read_text())), DEFAULTS)
    golden = DATA / "output" / source.name
    if os.environ.get("TIMBRE_UPDATE_GOLDEN"):
        golden.write_text(yaml.safe_dump_all(manifests, sort_keys=False, width=120))
    assert list(manifests) == list(yaml.safe_load_all(golden.read_text()))


def test_every_golden_file_has_an_input() -> None:
    assert {path.name for path in (DATA / "output").iterdir()} == {path.name for path in INPUTS}


def children(**spec: Any) -> dict[str, Manifest]:
    return {manifest["kind"]: manifest for manifest in build(voicemodel(**spec), DEFAULTS)}


def pod(**spec: Any) -> Manifest:
    inner: Manifest = children(**spec)["Deployment"]["spec"]["template"]["spec"]
    return inner


AUTOSCALED = {"autoscaling": {"minReplicas": 2, "maxReplicas": 5}}


def test_replicas_are_left_out_while_an_autoscaler_owns_them() -> None:
    assert "replicas" not in children(**AUTOSCALED)["Deployment"]["spec"]
    assert children(replicas=3)["Deployment"]["spec"]["replicas"] == 3


def test_an_autoscaler_that_is_switched_off_leaves_replicas_to_the_user() -> None:
    off = {"autoscaling": {"maxReplicas": 5, "engine": "none"}, "replicas": 2}
    assert children(**off)["Deployment"]["spec"]["replicas"] == 2
    assert "HorizontalPodAutoscaler" not in children(**off)


def test_suspended_means_no_pods_and_nobody_who_could_bring_them_back() -> None:
    asleep = children(**AUTOSCALED, suspend=True)
    assert asleep["Deployment"]["spec"]["replicas"] == 0
    assert "HorizontalPodAutoscaler" not in asleep


def queue_target(**spec: Any) -> str:
    metric = children(**spec)["HorizontalPodAutoscaler"]["spec"]["metrics"][0]
    target: str = metric["pods"]["target"]["averageValue"]
    return target


def test_the_autoscaler_aims_at_one_full_batch_unless_told_otherwise() -> None:
    assert queue_target(**AUTOSCALED) == "16"
    assert queue_target(**AUTOSCALED, batching={"maxBatchSize": 64}) == "64"
    assert queue_target(autoscaling={"maxReplicas": 2, "target": {"queueDepth": 5}}) == "5"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(
            {"resources": {"gpu": {}}}, {"maxSurge": 0, "maxUnavailable": 1}, id="a pod with a GPU goes first"
        ),
        pytest.param({}, {"maxSurge": 1, "maxUnavailable": 0}, id="a pod without one comes first"),
        pytest.param(
            {"resources": {"gpu": {}}, "rollout": {"strategy": "RollingUpdate", "maxSurge": "50%"}},
            {"maxSurge": "50%"},
            id="the user's own",
        ),
    ],
)
def test_a_rollout_cannot_wait_for_a_gpu_that_never_comes(spec: Manifest, expected: Manifest) -> None:
    assert children(**spec)["Deployment"]["spec"]["strategy"] == {"type": "RollingUpdate", "rollingUpdate": expected}


def test_recreate_has_no_numbers() -> None:
    recreate = children(rollout={"strategy": "Recreate"})
    assert recreate["Deployment"]["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize(
    ("gpu", "limits"),
    [
        pytest.param({}, {"nvidia.com/gpu": "1"}, id="one by default"),
        pytest.param({"count": 2}, {"nvidia.com/gpu": "2"}, id="as many as asked for"),
        pytest.param({"count": 0}, {}, id="none"),
        pytest.param(
            {"resourceName": "nvidia.com/mig-1g.10gb", "sharing": "mig"}, {"nvidia.com/mig-1g.10gb": "1"}, id="a slice"
        ),
    ],
)
def test_gpus_become_limits(gpu: Manifest, limits: Manifest) -> None:
    assert pod(resources={"gpu": gpu})["containers"][0]["resources"].get("limits", {}) == limits


def test_exclusive_keeps_off_shared_gpus_in_every_alternative_that_the_user_gave() -> None:
    terms = [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}, {"matchFields": []}]
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    made = pod(resources={"gpu": {"sharing": "exclusive"}}, podTemplate={"spec": {"affinity": affinity}})["affinity"][
        "nodeAffinity"
    ]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert [term["matchExpressions"][-1]["key"] for term in made] == ["nvidia.com/gpu.sharing-strategy"] * 2
    assert made[0]["matchExpressions"][0]["key"] == "zone"


def test_a_pod_has_time_to_drain() -> None:
    assert pod(drain={"gracePeriod": "90s"})["terminationGracePeriodSeconds"] == 100


def test_loading_may_take_as_long_as_a_rollout_may_stand_still() -> None:
    probe = pod(rollout={"progressDeadline": "1h"})["containers"][0]["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 3600


def test_the_revision_follows_the_pod_and_nothing_else() -> None:
    def revision(**spec: Any) -> str:
        return revision_of(children(**spec)["Deployment"])

    assert revision(replicas=5) == revision()
    assert revision(drain={"gracePeriod": "5s"}) != revision()


words = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)
specs = st.fixed_dictionaries(
    {},
    optional={
        "replicas": st.integers(0, 9),
        "suspend": st.booleans(),
        "autoscaling": st.fixed_dictionaries(
            {"maxReplicas": st.integers(3, 9)},
            optional={"minReplicas": st.integers(1, 3), "engine": st.sampled_from(["hpa", "none"])},
        ),
        "resources": st.fixed_dictionaries(
            {},
            optional={
                "gpu": st.fixed_dictionaries({}, optional={"count": st.integers(0, 16)}),
                "limits": st.dictionaries(words, st.sampled_from(["1", "500m", "2Gi"])),
            },
        ),
        "podTemplate": st.fixed_dictionaries(
            {"metadata": st.fixed_dictionaries({}, optional={"labels": st.dictionaries(words, words)})}
        ),
        "auth": st.fixed_dictionaries({"apiKeysSecretRef": st.fixed_dictionaries({"name": words})}),
        "model": st.fixed_dictionaries({"source": st.sampled_from(["builtin://a", "pvc://claim/path", "file:///b"])}),
    },
)


@given(specs)
def test_selectors_owners_and_security_hold_for_every_spec(spec: Manifest) -> None:
    model = voicemodel(**spec)
    made = {manifest["kind"]: manifest for manifest in build(model, DEFAULTS)}
    template = made["Deployment"]["spec"]["template"]
    selector = selector_labels(model.name)
    assert made["Deployment"]["spec"]["selector"]["matchLabels"] == selector
    assert selector.items() <= template["metadata"]["labels"].items()
    for manifest in made.values():
        assert_owned(manifest, model)
    assert_restricted(template["spec"])
    mounts, volumes = template["spec"]["containers"][0]["volumeMounts"], template["spec"]["volumes"]
    assert {mount["name"] for mount in mounts} == {volume["name"] for volume in volumes}


@given(specs)
def test_the_same_spec_always_gives_the_same_manifests(spec: Manifest) -> None:
    assert build(voicemodel(**spec), DEFAULTS) == build(voicemodel(**spec), DEFAULTS)


@given(specs)
def test_either_the_autoscaler_owns_replicas_or_the_deployment_says_how_many(spec: Manifest) -> None:
    made = {manifest["kind"]: manifest for manifest in build(voicemodel(**spec), DEFAULTS)}
    assert ("HorizontalPodAutoscaler" in made) != ("replicas" in made["Deployment"]["spec"])


def assert_owned(manifest: Manifest, model: VoiceModel) -> None:
    (owner,) = manifest["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("VoiceModel", model.metadata.uid)
    assert (owner["controller"], owner["blockOwnerDeletion"]) == (True, False)
    assert len(manifest["metadata"]["annotations"][MANIFEST_HASH]) == 10


def assert_restricted(spec: Manifest) -> None:
    """Pod Security "restricted", rule by rule."""
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    assert {kind for volume in spec["volumes"] for kind in volume} <= {
        "name",
        "emptyDir",
        "secret",
        "persistentVolumeClaim",
    }
