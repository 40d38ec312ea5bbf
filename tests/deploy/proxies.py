"""nginx, Caddy and HAProxy by the files of `deploy/`: each of their cases, before a service and on ports of its own.

The files are run as they are shipped, but for addresses: the ports, the service's own, and the certificate. Caddy makes
its certificates by itself, from its own local authority, as it does for names that nobody else can certify.
"""

import asyncio
import datetime as dt
import re
import shutil
import ssl
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.deploy.checks import CannotRunError
from tests.paths import ROOT

DEPLOY: Final = ROOT / "deploy"
SHIPPED_SERVICE: Final = "127.0.0.1:8866"
SHIPPED_CERTIFICATE: Final = "/etc/ssl/easel/"
NAMES: Final = ("easel.example.com", "example.com")
PACKAGES: Final = {"nginx": "nginx-light", "caddy": "caddy", "haproxy": "haproxy"}
"""The Debian package of each program."""

STARTED_S: Final = 20.0


@dataclass(frozen=True)
class Case:
    """One of the three cases of each file, by its public URL; `{tls}` and `{home}` are the ports."""

    name: str
    public_url: str


CASES: Final = (
    Case("tls", "https://easel.example.com:{tls}"),
    Case("path", "https://example.com:{tls}/art"),
    Case("home", "http://nas.local:{home}"),
)


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The ports of one proxy, and that of the service behind it."""

    tls: int
    home: int
    redirect: int
    service: int


@dataclass(frozen=True)
class Authority:
    """A local certificate authority, and a certificate of it for our names."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "root.pem"


def missing(programs: Collection[str] = PACKAGES) -> list[str]:
    """Return the programs that are not here."""
    return [name for name in programs if shutil.which(name, path=PATH) is None]


PATH: Final = "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/bin"


def authority(folder: Path) -> Authority:
    """Make the authority, and the files under the names that the configurations have."""
    folder.mkdir()
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Local authority")])
    root = _certificate(issuer, issuer, root_key.public_key(), root_key, (_AUTHORITY,))
    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in NAMES])
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAMES[0])])
    chain = _certificate(own, issuer, key.public_key(), root_key, (names,)) + root
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for name, data in {
        "root.pem": root, "fullchain.pem": chain, "privkey.pem": private, "easel.pem": chain + private,
    }.items():  # fmt: skip
        (folder / name).write_bytes(data)
    return Authority(folder)


_AUTHORITY: Final = x509.BasicConstraints(ca=True, path_length=0)


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    extensions: tuple[x509.ExtensionType, ...],
) -> bytes:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
    )  # fmt: skip
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def nginx(folder: Path, ports: Ports, local: Authority) -> tuple[list[str], dict[str, str]]:
    """Write nginx's configuration; return its command and environment."""
    site = _moved(
        "nginx.conf", ports, local, {"listen 443": f"listen {ports.tls}", "listen 8080": f"listen {ports.home}"}
    )
    (folder / "site.conf").write_text(site)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; user root; pid {folder}/pid; error_log stderr; events {{}} "
        f"http {{ access_log off; {temporary} include {folder}/site.conf; }}"
    )
    return ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")], {}


def caddy(folder: Path, ports: Ports, local: Authority) -> tuple[list[str], dict[str, str]]:
    """Write Caddy's configuration; return its command and environment."""
    site = _moved("Caddyfile", ports, local, {"nas.local:8080": f"nas.local:{ports.home}"})
    options = f"admin off\n local_certs\n skip_install_trust\n http_port {ports.redirect}\n https_port {ports.tls}\n"
    (folder / "Caddyfile").write_text(f"{{\n{options}}}\n{site}")
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    return command, {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "HOME": str(folder)}


def caddy_gzip(folder: Path, ports: Ports, local: Authority) -> tuple[list[str], dict[str, str]]:
    """Caddy as people write it who do not know of streams: it compresses all that is text."""
    command, env = caddy(folder, ports, local)
    file = folder / "Caddyfile"
    file.write_text(re.sub(r"\tencode \{.*?\n\t\}\n", "\tencode gzip\n", file.read_text(), flags=re.DOTALL))
    if "encode gzip" not in file.read_text():
        raise CannotRunError("deploy/Caddyfile has no encode block")
    return command, env


def haproxy(folder: Path, ports: Ports, local: Authority) -> tuple[list[str], dict[str, str]]:
    """Write HAProxy's configuration; return its command and environment."""
    moved = {"bind :443": f"bind :{ports.tls}", "bind :8080": f"bind :{ports.home}"}
    (folder / "haproxy.cfg").write_text(_moved("haproxy.cfg", ports, local, moved))
    return ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")], {}


def _moved(name: str, ports: Ports, local: Authority, others: Mapping[str, str]) -> str:
    """The shipped file with addresses of this run. Each of them must be in it."""
    text = (DEPLOY / name).read_text(encoding="utf-8")
    addresses = {SHIPPED_SERVICE: f"127.0.0.1:{ports.service}", **others}
    for shipped, ours in addresses.items():
        if shipped not in text:
            raise CannotRunError(f"deploy/{name} has no {shipped!r}")
        text = text.replace(shipped, ours)
    return text.replace(SHIPPED_CERTIFICATE, f"{local.folder}/")


PROXIES: Final = {"nginx": nginx, "caddy": caddy, "caddy-gzip": caddy_gzip, "haproxy": haproxy}


@asynccontextmanager
async def running(name: str, folder: Path, ports: Ports, local: Authority) -> AsyncIterator[ssl.SSLContext]:
    """Run one proxy; the value trusts the authority that certifies its names."""
    folder.mkdir()  # noqa: ASYNC240 - nothing else runs yet
    command, env = PROXIES[name](folder, ports, local)
    log = folder / "log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, env={"PATH": PATH, **env}, stdout=output, stderr=output
        )  # fmt: skip
    root = folder / "caddy/pki/authorities/local/root.crt" if name.startswith("caddy") else local.root
    try:
        async with asyncio.timeout(STARTED_S):
            while process.returncode is None and not await _ready(root, ports):  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.05)
        if process.returncode is not None:
            raise CannotRunError(f"{name} ended at once: {_end_of(log)}")
        yield ssl.create_default_context(cafile=str(root))
    except TimeoutError:
        raise CannotRunError(f"{name} does not listen: {_end_of(log)}") from None
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _ready(root: Path, ports: Ports) -> bool:
    """Return whether both ports take connections, and the authority has its certificate."""
    for port in (ports.tls, ports.home):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
    return root.exists()  # noqa: ASYNC240 - nothing else runs yet


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-600:]
