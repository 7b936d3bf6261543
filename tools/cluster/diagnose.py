"""What one wants to read when a test in the cluster failed."""

from tools.cluster.config import Config
from tools.cluster.kubernetes import Kubernetes, uses_current_cluster
from tools.cluster.release import NAMESPACE

QUESTIONS = (
    ("get", "nodes", "-o", "wide"),
    ("get", "pods", "-A", "-o", "wide"),
    ("get", "voicemodels", "-A", "-o", "yaml"),
    ("get", "events", "-A", "--sort-by=.lastTimestamp"),
    ("-n", NAMESPACE, "logs", "-l", "app.kubernetes.io/name=timbre", "--tail=200", "--all-containers"),
)
LOG_TAIL = 15


def report(config: Config, kubernetes: Kubernetes) -> str:
    parts = []
    for question in QUESTIONS:
        answer = kubernetes.kubectl(*question, check=False)
        parts.append(f"--- kubectl {' '.join(question)}\n{answer[-12000:]}")
    parts += [_pod_log(kubernetes, *name.split("/")) for name in _inference_pods(kubernetes)]
    if not uses_current_cluster() and config.layout.logs.exists():
        for log in sorted(config.layout.logs.glob("*.log")):
            if log != config.layout.audit_log:
                lines = log.read_text(errors="replace").splitlines()[-LOG_TAIL:]
                parts.append("\n".join((f"--- {log.name}", *(line[:300] for line in lines))))
    return "\n".join(parts)


def _inference_pods(kubernetes: Kubernetes) -> list[str]:
    names = "{range .items[*]}{.metadata.namespace}/{.metadata.name} {end}"
    selector = "app.kubernetes.io/name=timbre-inference"
    return kubernetes.kubectl("get", "pods", "-A", "-l", selector, "-o", f"jsonpath={names}", check=False).split()


def _pod_log(kubernetes: Kubernetes, namespace: str, pod: str) -> str:
    log = kubernetes.kubectl("-n", namespace, "logs", pod, "--tail=60", check=False)
    return f"--- log of {namespace}/{pod}\n{log[-6000:]}"
