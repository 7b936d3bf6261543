"""An image of one static program, written as an archive that containerd imports: no registry, no build tool."""

import hashlib
import io
import json
import tarfile
from pathlib import Path


def write(archive: Path, reference: str, binary: Path) -> None:
    """Writes `archive` (docker-archive format) with `binary` as the image's only file and entry point."""
    layer = archive.with_suffix(".layer")
    with tarfile.open(layer, "w") as tar:
        tar.add(binary.resolve(), arcname=binary.name, filter=_owned_by_root)
    config = json.dumps(_config(binary.name, _sha256(layer))).encode()
    manifest = [{"Config": "config.json", "RepoTags": [reference], "Layers": ["layer.tar"]}]
    with tarfile.open(archive, "w") as tar:
        _add(tar, "config.json", config)
        _add(tar, "manifest.json", json.dumps(manifest).encode())
        tar.add(layer, arcname="layer.tar")
    layer.unlink()


def _config(program: str, layer_digest: str) -> dict[str, object]:
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": [f"/{program}"], "User": "65532:65532"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
    }


def _owned_by_root(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    info.mode = 0o755
    return info


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))
