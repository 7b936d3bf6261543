"""A client of a VoiceModel's Service, and what it can say about the sound that it got."""

import re
import subprocess
import threading
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from kubernetes import client
from tools.cluster.kubernetes import Kubernetes, uses_current_cluster

PCM_RATE = 24_000
SENTENCE = "The quick brown fox jumps over the lazy dog."


@contextmanager
def service_address(kubernetes: Kubernetes, api: client.ApiClient, namespace: str, name: str) -> Iterator[str]:
    """The local cluster's Services are reached by address; another cluster's through kubectl."""
    if not uses_current_cluster():
        service = client.CoreV1Api(api).read_namespaced_service(name, namespace)
        yield f"http://{service.spec.cluster_ip}:{service.spec.ports[0].port}"
        return
    command = [kubernetes.kubectl_path, "-n", namespace, "port-forward", f"service/{name}", ":http"]
    with subprocess.Popen(command, env=kubernetes.environment, stdout=subprocess.PIPE, text=True) as forward:
        try:
            assert forward.stdout is not None
            found = re.search(r"127\.0\.0\.1:(\d+)", forward.stdout.readline())
            assert found, "kubectl port-forward did not say where"
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            forward.terminate()


def speak(address: str, text: str = SENTENCE, audio_format: str = "pcm", seconds: float = 120) -> bytes:
    """`POST /v1/audio/speech`, each over a connection of its own, as many clients would."""
    answer = httpx.post(f"{address}/v1/audio/speech", json=speech_request(text, audio_format), timeout=seconds)
    assert answer.status_code == 200, answer.text
    return answer.content


def speech_request(text: str, audio_format: str = "pcm") -> dict[str, object]:
    return {"model": "tts-1", "voice": "alloy", "input": text, "response_format": audio_format}


def seconds_of(pcm: bytes) -> float:
    return len(pcm) / 2 / PCM_RATE


def loudness_of(pcm: bytes) -> float:
    """Root mean square, from 0 to 1."""
    samples = array("h", pcm)
    return float((sum(sample * sample for sample in samples) / max(1, len(samples))) ** 0.5 / 32768)


@dataclass
class SteadyClient:
    """One client that speaks again and again until it is stopped, and remembers everything that went wrong."""

    address: str
    spoken: int = 0
    errors: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def at_work(self) -> Iterator["SteadyClient"]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                speak(self.address)
                self.spoken += 1
            except (AssertionError, httpx.HTTPError) as error:
                self.errors.append(repr(error))
