"""What a file of weights must look like, whatever a hub said of it: no web page, no pointer, nothing cut off."""

from __future__ import annotations

import os

import msgspec

_POINTER = b"version https://git-lfs"
_MARKUP = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")


def fault(path: str) -> str:
    """Say what is wrong with the file; "" when nothing is. Reads its beginning, and all of a JSON file."""
    try:
        with open(path, "rb") as file:
            beginning = file.read(512)
    except OSError as error:
        return error.strerror or "it cannot be read"
    if not beginning:
        return "it is empty"
    return _no_file(beginning) or _no_such_kind(path, beginning)


def _no_file(beginning: bytes) -> str:
    """What stands for a file where there is none."""
    text = beginning.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(_MARKUP):
        return "it is a web page"
    return "it is a Git LFS pointer instead of the file" if text.startswith(_POINTER) else ""


def _no_such_kind(path: str, beginning: bytes) -> str:
    match os.path.splitext(path)[1]:
        case ".safetensors":
            return _safetensors(path)
        case ".json":
            return _json(path)
        case ".bin" if not beginning.startswith(b"PK\x03\x04"):
            return "it is not a PyTorch archive"
    return ""


def _safetensors(path: str) -> str:
    # numpy costs 100 ms of import: only where there are weights to look at.
    from qmd_daemon.weights.convert.safetensors import Checkpoint

    try:
        with Checkpoint(path) as checkpoint:
            return "" if checkpoint.names() else "it holds no tensors"
    except ValueError as error:
        return str(error)


def _json(path: str) -> str:
    if os.path.getsize(path) > 256 * 1024 * 1024:
        return "it is too large to be read"
    try:
        with open(path, "rb") as file:
            msgspec.json.decode(file.read(), type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return "it is not a JSON object"
    return ""
