"""Root file systems for images, made from this machine's own files: there is no registry."""

import re
import subprocess
from pathlib import Path


def build_root(folder, files):
    """A tar of a root file system: {path: bytes or Path}."""
    for path, content in files.items():
        target = folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
        target.chmod(0o755)
    return subprocess.run(["tar", "-C", str(folder), "-c", "."], check=True, capture_output=True).stdout


def glibc_program(program):
    """A program of this machine with its shared objects, and nothing else."""
    output = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    objects = re.findall(r"(/\S+\.so\S*)", output)
    return {path: Path(path).resolve() for path in [program, *objects]}
