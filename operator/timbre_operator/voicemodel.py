"""The VoiceModel as types: parsed once, strictly; a test pins every field to the CRD."""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from timbre_operator.names import Key

SECONDS_PER_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,3})?(?:ms|s|m|h))+")
DURATION_PART = re.compile(r"([0-9.]+)(ms|s|m|h)")


class InvalidVoiceModelError(Exception):
    """The spec is not one that this operator understands; trying again does not help."""


def parse_duration(value: object) -> object:
    """Seconds of a duration such as 1m30s; anything else is left for pydantic to refuse."""
    if not isinstance(value, str):
        return value
    if not DURATION.fullmatch(value):
        raise ValueError(f"{value!r} is not a duration such as 20ms or 1m30s")
    return sum(float(number) * SECONDS_PER_UNIT[unit] for number, unit in DURATION_PART.findall(value))


Seconds = Annotated[float, BeforeValidator(parse_duration)]
IntOrString = int | str
Quantities = dict[str, IntOrString]


class ApiModel(BaseModel):
    """camelCase outside, unknown keys are errors, nothing changes after parsing."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    def to_api(self) -> dict[str, Any]:
        """As the API spells it, without what was left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Model(ApiModel):
    source: str = "builtin://timbre-en"
    digest: str = ""

    @property
    def claim(self) -> tuple[str, str] | None:
        """Name of the PersistentVolumeClaim and the path in it, when the bundle is on one."""
        if not self.source.startswith("pvc://"):
            return None
        name, _, path = self.source.removeprefix("pvc://").partition("/")
        return name, path


class LocalReference(ApiModel):
    name: str


class Runtime(ApiModel):
    image: str | None = None
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    image_pull_secrets: tuple[LocalReference, ...] = ()
    device: Literal["cuda", "cpu"] | None = None
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    compile: bool = False


class Gpu(ApiModel):
    count: int = 1
    resource_name: str = "nvidia.com/gpu"
    product: str = ""
    sharing: Literal["exclusive", "mig", "timeSlicing"] | None = None


class Resources(ApiModel):
    requests: Quantities = Field(default_factory=dict)
    limits: Quantities = Field(default_factory=dict)
    gpu: Gpu | None = None


class Batching(ApiModel):
    """What is None is left to the server's own default."""

    max_batch_size: int = 16
    max_batch_frames: int | None = None
    max_queue_delay: Seconds | None = None
    max_waiting: int | None = None


class Target(ApiModel):
    queue_depth: int | None = None


class ScalingPolicy(ApiModel):
    type: Literal["Pods", "Percent"]
    value: int
    period_seconds: int


class ScalingRules(ApiModel):
    stabilization_window_seconds: int | None = None
    select_policy: Literal["Max", "Min", "Disabled"] | None = None
    policies: tuple[ScalingPolicy, ...] | None = None


class Behavior(ApiModel):
    scale_up: ScalingRules | None = None
    scale_down: ScalingRules | None = None


class Autoscaling(ApiModel):
    min_replicas: int = 1
    max_replicas: int
    target: Target = Target()
    engine: Literal["hpa", "none"] = "hpa"
    behavior: Behavior | None = None


class Rollout(ApiModel):
    strategy: Literal["Auto", "RollingUpdate", "Recreate"] = "Auto"
    max_surge: IntOrString | None = None
    max_unavailable: IntOrString | None = None
    progress_deadline: Seconds = 900.0
    revision_history_limit: int = 3


class Service(ApiModel):
    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    port: int = 80
    annotations: dict[str, str] = Field(default_factory=dict)


class Networking(ApiModel):
    service: Service = Service()


class SecretKey(ApiModel):
    name: str
    key: str = "api-keys"


class Auth(ApiModel):
    api_keys_secret_ref: SecretKey


class Limits(ApiModel):
    """What is None is left to the server's own default."""

    max_text_length: int | None = None
    max_reference_seconds: int | None = None
    max_upload_bytes: int | None = None
    request_timeout: Seconds | None = None


class Drain(ApiModel):
    grace_period: Seconds = 60.0


class Disruption(ApiModel):
    max_unavailable: IntOrString = 1


class PodMetadata(ApiModel):
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class Toleration(ApiModel):
    key: str | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: int | None = None


class TopologySpread(ApiModel):
    max_skew: int
    topology_key: str
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"]
    min_domains: int | None = None
    node_affinity_policy: Literal["Honor", "Ignore"] | None = None
    node_taints_policy: Literal["Honor", "Ignore"] | None = None


class PodScheduling(ApiModel):
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    affinity: dict[str, Any] = Field(default_factory=dict)
    topology_spread_constraints: tuple[TopologySpread, ...] = ()
    priority_class_name: str | None = None
    runtime_class_name: str | None = None
    scheduler_name: str | None = None


class PodTemplate(ApiModel):
    metadata: PodMetadata = PodMetadata()
    spec: PodScheduling = PodScheduling()


class VoiceModelSpec(ApiModel):
    model: Model = Model()
    runtime: Runtime = Runtime()
    resources: Resources = Resources()
    batching: Batching = Batching()
    autoscaling: Autoscaling | None = None
    replicas: int = 1
    rollout: Rollout = Rollout()
    networking: Networking = Networking()
    auth: Auth | None = None
    limits: Limits = Limits()
    drain: Drain = Drain()
    disruption: Disruption = Disruption()
    suspend: bool = False
    pod_template: PodTemplate = PodTemplate()

    @property
    def gpu(self) -> Gpu | None:
        """The GPUs a pod holds, or None on the CPU."""
        gpu = self.resources.gpu
        return gpu if gpu and gpu.count else None

    @property
    def device(self) -> Literal["cuda", "cpu"]:
        return self.runtime.device or ("cuda" if self.gpu else "cpu")

    @property
    def autoscaler(self) -> Autoscaling | None:
        """The autoscaling that owns the number of pods now: none while it is off or the model is suspended."""
        if self.suspend or self.autoscaling is None or self.autoscaling.engine == "none":
            return None
        return self.autoscaling

    @property
    def promised_replicas(self) -> int:
        """How many pods must answer before the VoiceModel is Ready."""
        if self.suspend:
            return 0
        return self.autoscaler.min_replicas if self.autoscaler else self.replicas

    @property
    def queue_target(self) -> int:
        """Waiting sentences a pod that autoscaling aims at: one full batch, unless the user says otherwise."""
        wanted = self.autoscaling.target.queue_depth if self.autoscaling else None
        return wanted or self.batching.max_batch_size

    @property
    def drain_seconds(self) -> int:
        return math.ceil(self.drain.grace_period)


class Metadata(BaseModel):
    """What of metadata matters here; the API server owns its schema, so unknown keys are fine."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)

    name: str
    namespace: str
    uid: str
    generation: int = 0
    deletion_timestamp: str | None = None


class VoiceModel(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    metadata: Metadata
    spec: VoiceModelSpec

    @property
    def key(self) -> Key:
        return Key(self.metadata.namespace, self.metadata.name)

    @property
    def name(self) -> str:
        return self.metadata.name


def parse_voicemodel(body: Mapping[str, Any]) -> VoiceModel:
    try:
        return VoiceModel.model_validate(body)
    except ValidationError as error:
        raise InvalidVoiceModelError(_sentence(error)) from error


def _sentence(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors())
