"""Processors from the cgroup: both versions, nested, with and without a quota."""

from __future__ import annotations

from pathlib import Path

import pytest

from timbre_inference.cpus import cgroup_quota, model_threads, usable_cpus


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


V1_HALF = {"cpu.cfs_quota_us": "50000\n", "cpu.cfs_period_us": "100000\n"}


@pytest.mark.parametrize(
    ("files", "membership", "quota"),
    [
        pytest.param({"cpu.max": "150000 100000\n"}, "0::/\n", 1.5, id="v2 in a container"),
        pytest.param({"cpu.max": "max 100000\n"}, "0::/\n", None, id="v2 without a limit"),
        pytest.param(
            {"a/cpu.max": "400000 100000", "a/b/cpu.max": "max 100000"}, "0::/a/b\n", 4.0, id="v2 limited above"
        ),
        pytest.param({"cpu.max": "200000 100000"}, "0::/host/path\n", 2.0, id="v2 with the host's path"),
        pytest.param({f"cpu/{name}": text for name, text in V1_HALF.items()}, "1:cpu:/\n", 0.5, id="v1"),
        pytest.param(
            {f"cpu,cpuacct/pod/{name}": text for name, text in V1_HALF.items()},
            "4:cpu,cpuacct:/pod\n",
            0.5,
            id="v1 with joined controllers",
        ),
        pytest.param(
            {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "1:cpu:/\n0::/\n", None, id="v1 open"
        ),
        pytest.param({}, "2:memory:/x\n", None, id="no cpu controller"),
    ],
)
def test_quota_of_the_cgroup(tmp_path: Path, files: dict[str, str], membership: str, quota: float | None) -> None:
    write(tmp_path, files)
    assert cgroup_quota(tmp_path, membership) == quota


@pytest.mark.parametrize(
    ("cpus", "device", "threads"),
    [(0.5, "cpu", 1), (2, "cpu", 2), (3.5, "cpu", 3), (8, "cpu", 7), (64, "cuda", 4), (2, "cuda", 2)],
)
def test_the_model_leaves_room_for_the_event_loop(cpus: float, device: str, threads: int) -> None:
    assert model_threads(cpus, device) == threads


def test_this_process_has_a_processor() -> None:
    assert usable_cpus() > 0
