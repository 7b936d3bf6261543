"""The programs that make up a cluster and their command lines, as values; `supervisor` starts them."""

from dataclasses import dataclass
from pathlib import Path

from tools.cluster.config import NODE_NAME, Config


@dataclass(frozen=True)
class Component:
    name: str
    command: tuple[str, ...]


def components(config: Config, programs: Path) -> tuple[Component, ...]:
    """In the order of starting; none waits for another, each tries again until the others are there."""
    state = config.layout.state
    return (
        Component("etcd", _etcd(config, programs)),
        Component("kube-apiserver", _api_server(config, programs)),
        Component("containerd", ("containerd", "--config", f"{state}/containerd.toml", "--log-level", "warn")),
        Component("registry", ("docker-registry", "serve", f"{state}/registry.json")),
        Component("kube-controller-manager", _controller_manager(config, programs)),
        Component("kube-scheduler", _scheduler(config, programs)),
        Component("kubelet", _kubelet(config, programs)),
        Component("kube-proxy", _kube_proxy(config, programs)),
    )


def _etcd(config: Config, programs: Path) -> tuple[str, ...]:
    # The data lives as long as the cluster, so a crash may lose it.
    return (
        f"{programs}/etcd",
        f"--data-dir={config.layout.state}/etcd",
        "--unsafe-no-fsync",
        "--listen-client-urls=http://127.0.0.1:2379",
        "--advertise-client-urls=http://127.0.0.1:2379",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--log-level=warn",
    )


def _api_server(config: Config, programs: Path) -> tuple[str, ...]:
    network, pki = config.network, config.layout.pki
    return (
        f"{programs}/kube-apiserver",
        "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={network.node_address}",
        "--secure-port=6443",
        f"--service-cluster-ip-range={network.services}",
        f"--client-ca-file={pki('ca.crt')}",
        f"--tls-cert-file={pki('apiserver.crt')}",
        f"--tls-private-key-file={pki('apiserver.key')}",
        f"--kubelet-client-certificate={pki('apiserver-kubelet-client.crt')}",
        f"--kubelet-client-key={pki('apiserver-kubelet-client.key')}",
        # The node's name resolves nowhere; logs and exec go to its address.
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki('service-account.pub')}",
        f"--service-account-signing-key-file={pki('service-account.key')}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        # Aggregated APIs (metrics adapters) are reached by endpoint, with a front-proxy certificate.
        "--enable-aggregator-routing=true",
        f"--requestheader-client-ca-file={pki('front-proxy-ca.crt')}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={pki('front-proxy-client.crt')}",
        f"--proxy-client-key-file={pki('front-proxy-client.key')}",
        f"--audit-policy-file={config.layout.state}/audit-policy.json",
        f"--audit-log-path={config.layout.audit_log}",
        "--audit-log-maxsize=200",
    )


def _controller_manager(config: Config, programs: Path) -> tuple[str, ...]:
    pki = config.layout.pki
    return (
        f"{programs}/kube-controller-manager",
        f"--kubeconfig={pki('controller-manager.kubeconfig')}",
        f"--service-account-private-key-file={pki('service-account.key')}",
        f"--root-ca-file={pki('ca.crt')}",
        f"--cluster-signing-cert-file={pki('ca.crt')}",
        f"--cluster-signing-key-file={pki('ca.key')}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        # Kubernetes' own default is 15 s; tests of scaling would only wait longer.
        f"--horizontal-pod-autoscaler-sync-period={config.horizontal_autoscaler_period}",
    )


def _scheduler(config: Config, programs: Path) -> tuple[str, ...]:
    kubeconfig = config.layout.pki("scheduler.kubeconfig")
    return (
        f"{programs}/kube-scheduler",
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--leader-elect=false",
    )


def _kubelet(config: Config, programs: Path) -> tuple[str, ...]:
    return (
        f"{programs}/kubelet",
        f"--config={config.layout.state}/kubelet.json",
        f"--kubeconfig={config.layout.pki('kubelet.kubeconfig')}",
        f"--root-dir={config.layout.state}/kubelet",
        f"--cert-dir={config.layout.state}/kubelet-pki",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={config.network.node_address}",
    )


def _kube_proxy(config: Config, programs: Path) -> tuple[str, ...]:
    return (
        f"{programs}/kube-proxy",
        f"--kubeconfig={config.layout.pki('kube-proxy.kubeconfig')}",
        f"--hostname-override={NODE_NAME}",
        "--proxy-mode=iptables",
        f"--cluster-cidr={config.network.pods}",
        "--oom-score-adj=0",
        # The machine's connection tracking table is not ours to resize.
        "--conntrack-max-per-core=0",
    )
