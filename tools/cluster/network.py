"""The network namespace that the whole cluster lives in, and the one link between it and the machine.

The machine reaches pods and Services through that link. Nothing in the namespace has a route to
anywhere else: whatever runs in the cluster, or is tested in it, cannot leave the machine.
"""

import subprocess
from pathlib import Path

from tools.cluster.config import Network

NAMESPACE_SYSCTLS = ("net.ipv4.ip_forward=1",)


def create(network: Network) -> None:
    """Makes the namespace, its link and its routes; expects `remove` to have run before."""
    inside = ["ip", "netns", "exec", network.namespace]
    _run("ip", "netns", "add", network.namespace)
    _run(
        "ip", "link", "add", network.host_link, "type", "veth",
        "peer", "name", network.node_link, "netns", network.namespace,
    )  # fmt: skip
    _run("ip", "addr", "add", f"{network.host_address}/{network.link_prefix}", "dev", network.host_link)
    _run("ip", "link", "set", network.host_link, "up")
    _run(*inside, "ip", "link", "set", "lo", "up")
    _run(*inside, "ip", "addr", "add", f"{network.node_address}/{network.link_prefix}", "dev", network.node_link)
    _run(*inside, "ip", "link", "set", network.node_link, "up")
    # kube-proxy rewrites Service addresses before routing, but a local sender needs some route first.
    _run(*inside, "ip", "route", "add", network.services, "dev", network.node_link)
    for setting in NAMESPACE_SYSCTLS:
        _run(*inside, "sysctl", "-q", "-w", setting)
    for destination in (network.pods, network.services):
        _run("ip", "route", "add", destination, "via", network.node_address, "dev", network.host_link)


def exists(network: Network) -> bool:
    return Path("/run/netns", network.namespace).exists()


def processes(network: Network) -> list[int]:
    """Processes (by the machine's numbers) that run in the namespace."""
    if not exists(network):
        return []
    listed = _run("ip", "netns", "pids", network.namespace)
    return [int(pid) for pid in listed.split()]


def remove(network: Network) -> None:
    """The link and the routes over it go with the namespace."""
    if exists(network):
        _run("ip", "netns", "del", network.namespace)
    # The kernel frees a namespace a little later; a new link of the same name must not meet the old one.
    subprocess.run(["ip", "link", "del", network.host_link], capture_output=True, check=False)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
