"""Real FTP servers: a kind, an address and a directory in, a running server out.

Each server has a generated configuration and a log file, and processes of its own. It starts in the
network namespace of the calling thread. Its home says whose it is: `get/` has two marker
files with the server's name, a large file, and a file named after the server; `put/` takes uploads.
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from tests.peers import PEERS, ROOT, environment, program
from tests.peers.ready import until_it_accepts

PASSWORD = "secret"
ACCOUNT = pwd.getpwnam("bin")
"""Whose files clients work with: it has no rights, but a home that exists (vsftpd insists)."""


@attrs.frozen
class Site:
    """What a server is to be: its name, where it listens, and the directory it lives in."""

    name: str
    host: str
    port: int
    place: Path
    tls: str = ""
    """`explicit`, `implicit`, or none; data may be protected, or not, as the client says."""
    pem: str = ""
    """Its certificate and key, with TLS."""

    @property
    def home(self) -> Path:
        return self.place / "home"

    def write(self, name: str, text: str, mode: int = 0o600) -> Path:
        path = self.place / name
        path.write_text(text)
        path.chmod(mode)
        return path


@attrs.frozen
class Server:
    """A server that runs."""

    kind: str
    site: Site
    user: str
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return "\n".join(
            f"== {path.name}\n{path.read_text(errors='replace')}"
            for path in sorted(self.site.place.glob("*.log"))
        )

    @property
    def processes(self) -> list[int]:
        """All of them, sessions included. A process group is not enough: vsftpd's leave it."""
        found, parents = [self.process.pid], _parents()
        for one in found:
            found += [child for child, parent in parents.items() if parent == one]
        return found

    def tell(self, *numbers: int) -> None:
        """Send signals to all of its processes."""
        for one in self.processes:
            for number in numbers:
                with suppress(ProcessLookupError):
                    os.kill(one, number)

    def kill(self) -> None:
        """End all of its processes at once, as a crash would. Saying it twice does no harm."""
        self.tell(signal.SIGKILL)
        self.process.wait()


def _parents() -> dict[int, int]:
    """Process → its parent, of all that live."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            found[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    return found


# -- kinds: files of configuration written, the command out ----------------------------------------


def vsftpd(site: Site) -> list[str]:
    """Its anonymous user, the only one that needs no PAM."""
    empty = site.place / "empty"
    empty.mkdir(mode=0o755)
    family = "6" if ":" in site.host else ""
    settings = {
        "listen": "NO" if family else "YES",
        "listen_ipv6": "YES" if family else "NO",
        f"listen_address{family}": site.host,
        "listen_port": site.port,
        "background": "NO",
        "local_enable": "NO",
        "ftp_username": ACCOUNT.pw_name,
        "anon_root": site.home,
        "anon_umask": "022",
        "anon_world_readable_only": "NO",
        "secure_chroot_dir": empty,
        "vsftpd_log_file": site.place / "vsftpd.log",
        "xferlog_std_format": "NO",
        "connect_from_port_20": "NO",
        "seccomp_sandbox": "NO",
        **dict.fromkeys(
            ("write_enable", "anon_upload_enable", "anon_mkdir_write_enable", "async_abor_enable",
             "anon_other_write_enable", "xferlog_enable", "log_ftp_protocol"), "YES"
        ),
    }  # fmt: skip
    if site.tls:
        settings |= {
            "rsa_cert_file": site.pem,
            "implicit_ssl": "YES" if site.tls == "implicit" else "NO",
            "ssl_ciphers": "HIGH",
            **dict.fromkeys(VSFTPD_TLS, "YES"),
        }
    text = "".join(f"{key}={value}\n" for key, value in settings.items())
    return [program("vsftpd"), str(site.write("vsftpd.conf", text))]


VSFTPD_TLS = (
    *("ssl_enable", "allow_anon_ssl", "force_anon_logins_ssl", "require_ssl_reuse"),
    *("strict_ssl_read_eof", "ssl_tlsv1", "debug_ssl"),
)

PROFTPD = """\
ModulePath {modules}
ServerName {site.name}
ServerType standalone
DefaultAddress {site.host}
SocketBindTight on
Port {site.port}
UseIPv6 on
User nobody
Group nogroup
PidFile {site.place}/pid
ScoreboardFile {site.place}/scoreboard
DelayEngine off
SystemLog {site.place}/system.log
ExtendedLog {site.place}/commands.log ALL
TransferLog none
WtmpLog off
UseReverseDNS off
AuthOrder mod_auth_file.c
AuthUserFile {users}
RequireValidShell off
DefaultRoot ~
AllowOverwrite on
AllowStoreRestart on
AllowRetrieveRestart on
TimeoutLinger 5
"""
PROFTPD_TLS = """
LoadModule mod_tls.c
TLSEngine on
TLSRequired ctrl
TLSProtocol TLSv1.2 TLSv1.3
TLSECCertificateFile {site.pem}
TLSECCertificateKeyFile {site.pem}
TLSLog {site.place}/tls.log
{implicit}"""
"""Session reuse is required unless one says otherwise."""
# crypt() of the password; MD5, because a matrix of logins should not wait for a slow hash.
HASH = "$1$balancer$Fn.Kspf6mNMNppNuaVK5J."


def proftpd(site: Site) -> list[str]:
    """A user of its own file of users."""
    users = site.write(
        "users", f"joe:{HASH}:{ACCOUNT.pw_uid}:{ACCOUNT.pw_gid}::{site.home}:/bin/sh\n"
    )
    modules = ROOT / "usr/lib/proftpd"
    text = PROFTPD.format(site=site, users=users, modules=modules)
    if site.tls:
        implicit = "TLSOptions UseImplicitSSL\n" if site.tls == "implicit" else ""
        text += PROFTPD_TLS.format(site=site, implicit=implicit)
    return [program("proftpd"), "--nodaemon", "--config", str(site.write("proftpd.conf", text))]


def pureftpd(site: Site) -> list[str]:
    """A user of its own database of users."""
    users = site.write(
        "users", f"joe:{HASH}:{ACCOUNT.pw_uid}:{ACCOUNT.pw_gid}::{site.home}/./::::::::::::\n"
    )
    database = site.place / "users.pdb"
    subprocess.run(
        [program("pure-pw"), "mkdb", database, "-f", users], check=True, env=environment()
    )
    listen = f"{site.host},{site.port}"
    return [program("pure-ftpd"), "--bind", listen, "--login", f"puredb:{database}",
            "--noanonymous", "--dontresolve", "--minuid", "1", "--pidfile", f"{site.place}/pid",
            "--maxclientsperip", "100",
            *(("--tls", "2", "--certfile", site.pem) if site.tls else ())]  # fmt: skip


def pyftpdlib(site: Site) -> list[str]:
    """Insists on TLS for the control connection, where it speaks TLS at all."""
    script = Path(__file__).parents[1] / "loopback" / "ftpd.py"
    python = PEERS / "pyftpdlib" / "bin" / "python"
    tls = [site.tls, site.pem] if site.tls else []
    return [str(python), str(script), f"{site.host},{site.port}", str(site.home), *tls]


KINDS: dict[str, tuple[Callable[[Site], list[str]], str]] = {
    "vsftpd": (vsftpd, "anonymous"),
    "proftpd": (proftpd, "joe"),
    "pureftpd": (pureftpd, "joe"),
    "pyftpdlib": (pyftpdlib, "joe"),
}
"""Kind → how it is started, and the user to log in as."""


# -- running ---------------------------------------------------------------------------------------


@contextmanager
def running(kind: str, site: Site, large: bytes) -> Iterator[Server]:
    """A server of this kind, from the first answer on its port until the end of the block."""
    furnish(site, large)
    command, user = KINDS[kind]
    with (site.place / "output.log").open("wb") as output:
        process = subprocess.Popen(
            command(site), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True, env=environment(), cwd=site.place,
        )  # fmt: skip
    server = Server(kind, site, user, process)
    try:
        until_it_accepts((site.host, site.port), process, *site.place.glob("*.log"))
        yield server
    finally:
        server.kill()


def furnish(site: Site, large: bytes) -> None:
    """The server's home, and what clients will look for in it."""
    for directory in (site.place, site.home, site.home / "get", site.home / "put"):
        directory.mkdir(mode=0o755)
    get = site.home / "get"
    for name in ("a-marker", "z-marker", f"i-am-{site.name}"):
        (get / name).write_text(f"{site.name}\n")
    (get / "m-large").write_bytes(large)
    if os.geteuid() == 0:
        os.chown(site.home / "put", ACCOUNT.pw_uid, ACCOUNT.pw_gid)
