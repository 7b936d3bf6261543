"""From nothing to a spoken file: tools, cluster, images, chart, one VoiceModel, one request."""

import json
import subprocess
import sys
import wave
from pathlib import Path

from tools.cluster import release
from tools.cluster.config import REPOSITORY, ClusterError, Config
from tools.cluster.kubernetes import Kubernetes, connect, uses_current_cluster
from tools.cluster.terminal import say
from tools.demo import speech, voicemodel
from tools.demo.timing import Timings

TEXT = "Hello. This is speech out of a pod in a cluster of your own, and it says whatever you write."
OUTPUT = REPOSITORY / "timbre-demo.wav"
WORDS_RIGHT = 0.85


def main() -> int:
    timings = Timings()
    try:
        run(timings)
    except (ClusterError, subprocess.CalledProcessError) as error:
        print(timings.table(), file=sys.stderr)
        say(f"error: {error}")
        say("`python3 -m tools.cluster diagnose` tells more; the demo may simply be run again")
        return 1
    return 0


def run(timings: Timings) -> None:
    with timings.step("tools"):
        subprocess.run(["tools/setup.sh"], cwd=REPOSITORY, check=True)
    with timings.step("cluster"):
        _cluster_command("up")
    with timings.step("images"):
        _cluster_command("images")
    config = Config.from_environment()
    kubernetes = connect(config)
    with timings.step("chart: the operator"):
        release.install(config, kubernetes)
    with timings.step("VoiceModel: pulling the image, loading, first words"):
        voicemodel.apply(kubernetes)
        voicemodel.wait_until_ready(kubernetes, seconds=1200)
    with timings.step("speech"):
        reference = _reference()
        with voicemodel.reachable(kubernetes) as port:
            OUTPUT.write_bytes(speech.clone(port, reference, TEXT))
    with timings.step("listening to it"):
        heard, right = _listen()
    _report(timings, reference, heard, right)
    if right < WORDS_RIGHT:
        raise ClusterError(f"only {right:.0%} of the words were understood; at least {WORDS_RIGHT:.0%} should be")
    _say_what_next(kubernetes)


def _cluster_command(command: str) -> None:
    subprocess.run([sys.executable, "-m", "tools.cluster", command], cwd=REPOSITORY, check=True)


def _reference() -> Path:
    found = sorted((REPOSITORY / "examples").glob("reference-*"))
    if not found:
        raise ClusterError("examples/ holds no reference recording")
    return found[0]


def _listen() -> tuple[str, float]:
    python = REPOSITORY / ".venv/bin/python"
    command = [str(python), "-m", "tools.demo.judge", str(OUTPUT), TEXT]
    done = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True)
    verdict = json.loads(done.stdout.splitlines()[-1])
    return verdict["heard"], verdict["right"]


def _report(timings: Timings, reference: Path, heard: str, right: float) -> None:
    with wave.open(str(OUTPUT)) as audio:
        # The header of a streamed file does not know its length.
        bytes_a_second = audio.getframerate() * audio.getnchannels() * audio.getsampwidth()
    seconds = OUTPUT.stat().st_size / bytes_a_second
    print(
        f"\n{timings.table()}\n\n"
        f"spoken:    {OUTPUT} ({seconds:.1f} s, given {reference.name} as reference)\n"
        f"text:      {TEXT}\n"
        f"heard:     {heard}\n"
        f"right:     {right:.0%} of the words\n"
    )


def _say_what_next(kubernetes: Kubernetes) -> None:
    prefix = "" if uses_current_cluster() else f"KUBECONFIG={kubernetes.kubeconfig} "
    print(
        "the studio: run\n"
        f"  {prefix}{kubernetes.kubectl_path} -n {voicemodel.NAMESPACE} "
        f"port-forward service/{voicemodel.NAME} 8000:80\n"
        "and open http://localhost:8000\n"
    )
    if not uses_current_cluster():
        print("`make cluster-down` takes the cluster away again; built programs and images stay cached.")


if __name__ == "__main__":
    sys.exit(main())
