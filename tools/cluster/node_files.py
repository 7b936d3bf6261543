"""The configuration files of the node's programs, as values: name under `state/` -> text."""

import json

from tools.cluster.config import CLUSTER_DOMAIN, Config

PAUSE_IMAGE = "localhost/timbre-pause:1"


def configuration_files(config: Config) -> dict[str, str]:
    return {
        "containerd.toml": _containerd(config),
        "registries/_default/hosts.toml": _registry_hosts(config),
        "cni/10-timbre.conflist": json.dumps(_cni(config), indent=2),
        "kubelet.json": json.dumps(_kubelet(config), indent=2),
        "registry.json": json.dumps(_registry(config), indent=2),
        "audit-policy.json": json.dumps(_audit_policy(), indent=2),
        "resolv.conf": "",
    }


def _containerd(config: Config) -> str:
    state = config.layout.state
    return f"""version = 2
root = "{state}/containerd"
state = "{state}/containerd-run"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]

[grpc]
  address = "{config.layout.containerd_socket}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # A negative oom_score_adj needs CAP_SYS_RESOURCE, which not every machine grants.
  restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
  discard_unpacked_layers = true

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "{state}/cni"

[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "{state}/registries"
"""


def _registry_hosts(config: Config) -> str:
    """Whatever registry an image names, it is looked for in ours: the namespace reaches no other."""
    address = f"http://{config.network.registry}"
    return f"""server = "{address}"

[host."{address}"]
  capabilities = ["pull", "resolve"]
"""


def _cni(config: Config) -> dict[str, object]:
    # ptp routes every packet, so Service rewriting works without the kernel's br_netfilter.
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": config.network.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    return {
        "cniVersion": "1.0.0",
        "name": "timbre",
        "plugins": [
            {"type": "ptp", "ipMasq": False, "ipam": ipam},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def _kubelet(config: Config) -> dict[str, object]:
    state = config.layout.state
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(config.layout.pki("ca.crt"))},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{config.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "evictionHard": {},
        # A disk that is nearly full must not make the kubelet drop images that were just pulled.
        "imageGCHighThresholdPercent": 100,
        "containerRuntimeEndpoint": f"unix://{config.layout.containerd_socket}",
        "clusterDNS": [config.network.dns_service],
        "clusterDomain": CLUSTER_DOMAIN,
        "resolvConf": f"{state}/resolv.conf",
        "podLogsDir": f"{state}/pod-logs",
        "volumePluginDir": f"{state}/volume-plugins",
        "oomScoreAdj": 0,
        "serializeImagePulls": False,
        "rotateCertificates": False,
        "nodeStatusUpdateFrequency": "5s",
    }


def _registry(config: Config) -> dict[str, object]:
    return {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(config.layout.registry)},
            "delete": {"enabled": True},
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
        "http": {"addr": f"{config.network.node_address}:{config.network.registry_port}"},
    }


def _audit_policy() -> dict[str, object]:
    """Every write, once, with who made it; reads and the cluster's own heartbeats only blur the count."""
    quiet = {"level": "None", "verbs": ["get", "list", "watch"]}
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [quiet, {"level": "Metadata"}],
    }
