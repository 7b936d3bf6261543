"""Certificates and kubeconfigs of the local cluster, made anew for each cluster by openssl."""

import base64
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.cluster.config import CLUSTER_DOMAIN, NODE_NAME, Layout, Network

DAYS = "3650"


@dataclass(frozen=True)
class Certificate:
    """A certificate, the authority that signs it, and who it says it is."""

    name: str
    subject: str
    authority: str = "ca"
    alternative_names: tuple[str, ...] = ()

    @property
    def extensions(self) -> tuple[str, ...]:
        usage = "serverAuth" if self.alternative_names else "clientAuth"
        names = ("subjectAltName=" + ",".join(self.alternative_names),) if self.alternative_names else ()
        return ("basicConstraints=critical,CA:FALSE", f"extendedKeyUsage={usage}", *names)


AUTHORITIES = ("ca", "front-proxy-ca")


def certificates(network: Network) -> tuple[Certificate, ...]:
    api_names = (
        "DNS:localhost",
        "DNS:kubernetes",
        "DNS:kubernetes.default",
        "DNS:kubernetes.default.svc",
        f"DNS:kubernetes.default.svc.{CLUSTER_DOMAIN}",
        "IP:127.0.0.1",
        f"IP:{network.node_address}",
        f"IP:{network.api_service}",
    )
    return (
        Certificate("apiserver", "/CN=kube-apiserver", alternative_names=api_names),
        Certificate("apiserver-kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client"),
        Certificate("front-proxy-client", "/CN=front-proxy-client", authority="front-proxy-ca"),
        Certificate("admin", "/O=system:masters/CN=kubernetes-admin"),
        Certificate("controller-manager", "/CN=system:kube-controller-manager"),
        Certificate("scheduler", "/CN=system:kube-scheduler"),
        Certificate("kube-proxy", "/CN=system:kube-proxy"),
        Certificate("kubelet", f"/O=system:nodes/CN=system:node:{NODE_NAME}"),
    )


KUBECONFIG_USERS = ("admin", "controller-manager", "scheduler", "kube-proxy", "kubelet")


def create(layout: Layout, network: Network) -> None:
    """Writes every key, certificate and kubeconfig below `state/`; all are readable by root alone."""
    layout.pki("").mkdir(parents=True, exist_ok=True, mode=0o700)
    for authority in AUTHORITIES:
        _openssl_certificate(
            layout, authority, f"/CN=timbre-{authority}", ("basicConstraints=critical,CA:TRUE",), signer=""
        )
    for certificate in certificates(network):
        _openssl_certificate(
            layout, certificate.name, certificate.subject, certificate.extensions, certificate.authority
        )
    service_account = layout.pki("service-account.key")
    _openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(service_account))
    _openssl("pkey", "-in", str(service_account), "-pubout", "-out", str(layout.pki("service-account.pub")))
    for user in KUBECONFIG_USERS:
        path = layout.kubeconfig if user == "admin" else layout.pki(f"{user}.kubeconfig")
        path.touch(mode=0o600)
        path.write_text(kubeconfig(layout, network, user))


def kubeconfig(layout: Layout, network: Network, user: str) -> str:
    """A kubeconfig with everything inside, so that it can be copied elsewhere. JSON is YAML."""
    cluster = {
        "server": network.api_server,
        "certificate-authority-data": _encoded(layout.pki("ca.crt")),
    }
    credentials = {
        "client-certificate-data": _encoded(layout.pki(f"{user}.crt")),
        "client-key-data": _encoded(layout.pki(f"{user}.key")),
    }
    context = {"cluster": "timbre-local", "user": user}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "timbre-local", "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "timbre-local", "context": context}],
        "current-context": "timbre-local",
    }
    return json.dumps(document, indent=2) + "\n"


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _openssl_certificate(layout: Layout, name: str, subject: str, extensions: tuple[str, ...], signer: str) -> None:
    signing = ("-CA", str(layout.pki(f"{signer}.crt")), "-CAkey", str(layout.pki(f"{signer}.key"))) if signer else ()
    _openssl(
        "req", "-x509", "-noenc", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
        "-config", "/dev/null", "-days", DAYS, "-subj", subject, *signing,
        *(argument for extension in extensions for argument in ("-addext", extension)),
        "-keyout", str(layout.pki(f"{name}.key")), "-out", str(layout.pki(f"{name}.crt")),
    )  # fmt: skip


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
