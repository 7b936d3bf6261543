"""Builds Timbre's two images without a registry to start from, and pushes them to the cluster's own.

The base is a Debian made by mmdebstrap, torch comes from the lock file. Each image gets a tag named
after its content, so that a Deployment notices a new one, and the tag `dev`.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.cluster.config import REPOSITORY, ClusterError, Config, Layout
from tools.cluster.terminal import say, step

BASE = "localhost/timbre-base:bookworm-1"
BASE_PACKAGES = ("python3", "python3-venv", "ca-certificates")
KINDS = ("operator", "inference")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Image:
    kind: str
    reference: str
    """What a pod's `image:` says."""


def build_and_push(config: Config, kinds: tuple[str, ...] = KINDS) -> tuple[Image, ...]:
    """Needs a running cluster, whose registry takes the images."""
    # What builds that were cut off have left; nobody else uses this storage.
    _buildah(config.layout, "rm", "--all")
    ensure_base(config.layout)
    return tuple(_build_and_push(config, kind) for kind in kinds)


def ensure_base(layout: Layout) -> None:
    if _buildah(layout, "images", "--quiet", BASE, check=False).strip():
        return
    with step("making a Debian base image"):
        archive = layout.root / "base.tar"
        packages = f"--include={','.join(BASE_PACKAGES)}"
        _run("mmdebstrap", "--quiet", "--variant=minbase", packages, "bookworm", str(archive))
        container = _buildah(layout, "from", "scratch").strip()
        _buildah(layout, "add", container, str(archive), "/")
        _buildah(layout, "commit", "--quiet", "--rm", container, BASE)
        archive.unlink()


def _build_and_push(config: Config, kind: str) -> Image:
    name = f"timbre-{kind}"
    with step(f"building {name}"):
        identity = _build(config.layout, kind)
    _check_contents(config.layout, kind, identity)
    _drop_large_leftovers(config.layout)
    image = Image(kind, f"{name}:dev-{identity[:12]}")
    with step(f"pushing {name} to the cluster's registry"):
        for reference in (image.reference, f"{name}:dev"):
            _push(config, identity, reference)
    return image


def _build(layout: Layout, kind: str) -> str:
    """Returns the image's id."""
    identity_file = layout.root / f"{kind}.iid"
    _buildah(
        layout, "bud", "--layers", "--isolation", "chroot", "--file", f"Dockerfile.{kind}",
        "--build-arg", f"BASE_IMAGE={BASE}", *_lent_by_the_machine(), "--iidfile", str(identity_file),
        "--tag", f"localhost/timbre-{kind}:dev", ".", show=True,
    )  # fmt: skip
    return identity_file.read_text().strip().removeprefix("sha256:")


def _lent_by_the_machine() -> list[str]:
    """Certificates, pip's configuration and uv's cache: there while a line runs, in no layer."""
    uv_cache = _run("uv", "cache", "dir").strip()
    Path(uv_cache).mkdir(parents=True, exist_ok=True)
    volumes = [f"{uv_cache}:/root/.cache/uv"]
    if CERTIFICATES.exists():
        volumes.append(f"{CERTIFICATES}:{CERTIFICATES}:ro")
    if Path("/etc/pip.conf").exists():
        volumes.append("/etc/pip.conf:/etc/pip.conf:ro")
    return [argument for volume in volumes for argument in ("--volume", volume)]


def _drop_large_leftovers(layout: Layout) -> None:
    """Earlier environments are gigabytes each; small stages stay, as the cache that they are."""
    listed = json.loads(_buildah(layout, "images", "--all", "--filter", "dangling=true", "--json") or "null") or []
    for identity in (image["id"] for image in listed if image["size"].endswith("GB")):
        # Refused where something is built on it, and that is well.
        _buildah(layout, "rmi", identity, check=False)


def _check_contents(layout: Layout, kind: str, identity: str) -> None:
    container = _buildah(layout, "from", "--pull-never", identity).strip()
    try:
        root = _buildah(layout, "mount", container).strip()
        done = subprocess.run(
            ["sh", REPOSITORY / "tools/image/check.sh", root, kind], capture_output=True, text=True, check=False
        )
    finally:
        _buildah(layout, "rm", container)
    if done.returncode:
        raise ClusterError(done.stdout + done.stderr)
    say(f"timbre-{kind} carries no installer, compiler or notebook")


def _push(config: Config, identity: str, reference: str) -> None:
    # `library/` is where containerd looks for a reference without a registry.
    destination = f"docker://{config.network.registry}/library/{reference}"
    _buildah(
        config.layout, "push", "--quiet", "--tls-verify=false", "--compression-format", "zstd", identity, destination
    )


def _buildah(layout: Layout, *arguments: str, check: bool = True, show: bool = False) -> str:
    run_root = layout.state / "buildah"
    storage = ("--root", str(layout.images), "--runroot", str(run_root), "--storage-driver", "overlay")
    return _run("buildah", *storage, *arguments, check=check, show=show)


def _run(*command: str, check: bool = True, show: bool = False) -> str:
    """The command's output; with `show`, its messages are seen while it works."""
    if shutil.which(command[0]) is None:
        raise ClusterError(f"missing: {command[0]}; run `make setup`")
    environment: Mapping[str, str] = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=None if show else subprocess.PIPE,
        stderr=None if show else subprocess.PIPE,
        text=True,
        check=False,
    )
    if check and done.returncode:
        raise ClusterError(f"{' '.join(command[:8])} failed:\n{(done.stderr or '')[-4000:]}")
    return done.stdout or ""


def read_references(layout: Layout) -> dict[str, str]:
    """What `build_and_push` made last: kind -> reference."""
    path = layout.root / "images.json"
    if not path.exists():
        raise ClusterError("no images yet; run `make images`")
    references: dict[str, str] = json.loads(path.read_text())
    return references


def write_references(layout: Layout, images: tuple[Image, ...]) -> None:
    path = layout.root / "images.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, **{image.kind: image.reference for image in images}}, indent=2))
