"""What charts and examples take for granted about pods is what the pods promise."""

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.charts.helm import CHARTS, ROOT, Helm, find
from timbre_operator.names import VOICEMODEL_LABEL, selector_labels

CONTRACT = json.loads((ROOT / "tests/support/pod_contract.json").read_text())
EXAMPLES = sorted((ROOT / "examples").glob("voicemodel-*.yaml"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_fits_the_catalogue_too(helm: Helm, example: Path) -> None:
    spec = yaml.safe_load(example.read_text())["spec"]
    manifests = helm.template("voice-models", "--set-json", f"voiceModels.example.spec={json.dumps(spec)}")
    assert find(manifests, "VoiceModel", "example")["spec"] == spec


def test_the_fleet_in_the_catalogues_readme_renders(helm: Helm, tmp_path: Path) -> None:
    readme = (CHARTS / "voice-models/README.md").read_text()
    [fleet] = re.findall(r"```yaml\n(.*?)```", readme, flags=re.DOTALL)
    values = tmp_path / "fleet.yaml"
    values.write_text(fleet)
    manifests = helm.template("voice-models", "--values", values)
    assert [manifest["metadata"]["name"] for manifest in manifests] == ["narrator", "timbre-en"]


def test_the_pod_monitor_finds_the_port_and_the_labels_of_inference_pods(helm: Helm) -> None:
    monitor = find(helm.template("timbre", "--set", "monitoring.podMonitor=true"), "PodMonitor")["spec"]
    [endpoint] = monitor["podMetricsEndpoints"]
    assert endpoint["port"] in CONTRACT["ports"]
    assert endpoint["path"] == CONTRACT["metrics_path"]
    assert monitor["selector"]["matchLabels"].items() <= selector_labels("any").items()
    assert monitor["podTargetLabels"] == [VOICEMODEL_LABEL]


def test_the_adapters_rule_serves_the_metric_that_autoscalers_ask_for() -> None:
    values = yaml.safe_load((ROOT / "examples/prometheus-adapter-values.yaml").read_text())
    [rule] = values["rules"]["custom"]
    assert rule["name"] == {"matches": f"^{CONTRACT['autoscaling_metric']}$", "as": CONTRACT["autoscaling_metric"]}
    assert rule["seriesQuery"].startswith(CONTRACT["autoscaling_metric"] + "{")
    assert set(rule["resources"]["overrides"]) == {"namespace", "pod"}
