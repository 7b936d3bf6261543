"""Talking to the speech Service with the standard library alone: the demo runs before anything is installed."""

import json
import uuid
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

from tools.cluster.config import ClusterError


def clone(port: int, reference: Path, text: str, seconds: float = 120) -> bytes:
    """`POST /v1/audio/clone`: the text in the voice of the recording, as a wav file."""
    boundary = uuid.uuid4().hex
    body = multipart(boundary, {"input": text, "response_format": "wav"}, reference)
    connection = HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        connection.request("POST", "/v1/audio/clone", body, headers)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status != HTTPStatus.OK:
        raise ClusterError(f"the Service answered {answer.status}: {_message(content)}")
    return content


def multipart(boundary: str, fields: dict[str, str], recording: Path) -> bytes:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    disposition = f'Content-Disposition: form-data; name="audio_sample"; filename="{recording.name}"'
    parts.append(f"--{boundary}\r\n{disposition}\r\n\r\n".encode() + recording.read_bytes() + b"\r\n")
    return b"".join((*parts, f"--{boundary}--\r\n".encode()))


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError):
        return body[:200].decode(errors="replace")
