"""The rivals: HAProxy, nginx, Twisted's portforward, and for FTP ProFTPD's mod_proxy."""

from __future__ import annotations

import sys

from benchmarks.balancer import FRONT
from benchmarks.rivals import FTP_KINDS, TCP_KINDS, Place, Rival
from tests.peers import ROOT, program

HAPROXY = """
global
    nbthread 1
    maxconn {most}
    maxpipes 256
    log stdout format raw local0
defaults
    mode tcp
    log global
    option tcplog
    {option}
    timeout connect 5s
    timeout client 15m
    timeout server 15m
    default_backend back
frontend clear
    bind {front}:{clear}
frontend ecdsa
    bind {front}:{ecdsa} ssl crt {ecdsa_pem}
frontend rsa
    bind {front}:{rsa} ssl crt {rsa_pem}
backend back
    server a {host}:{clear_server}
"""


def haproxy(place: Place, option: str = "") -> list[str]:
    path = place.write("haproxy.cfg", place.fill(HAPROXY, option=option))
    return [program("haproxy"), "-db", "-f", path]


def haproxy_splice(place: Place) -> list[str]:
    """Always: by its own choice (splice-auto) it does not, and costs what it does without."""
    return haproxy(place, "option splice-request\n    option splice-response")


NGINX = """
daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {home}/nginx.pid;
error_log {home}/nginx.log;
load_module {module};
events {{ worker_connections {connections}; }}
stream {{
    log_format ended '$remote_addr [$time_local] $protocol $status $bytes_sent $bytes_received'
                     ' $session_time "$upstream_addr"';
    access_log {home}/access.log ended;
    proxy_connect_timeout 5s;
    proxy_timeout 15m;
    upstream back {{ server {host}:{clear_server}; }}
    ssl_protocols TLSv1.2 TLSv1.3;
    server {{ listen {front}:{clear}; proxy_pass back; }}
    server {{ listen {front}:{ecdsa} ssl; proxy_pass back; {ecdsa_keys} }}
    server {{ listen {front}:{rsa} ssl; proxy_pass back; {rsa_keys} }}
}}
"""


def nginx(place: Place) -> list[str]:
    keys = {
        f"{kind}_keys": f"ssl_certificate {path}; ssl_certificate_key {path};"
        for kind, path in place.certificates.items()
    }
    module = next(ROOT.glob("usr/lib/nginx/modules/ngx_stream_module.so"))
    text = place.fill(NGINX, module=module, connections=2 * place.most, **keys)
    return [program("nginx"), "-p", str(place.home), "-c", place.write("nginx.conf", text)]


def portforward(place: Place) -> list[str]:
    endpoints = [f"tcp:{place.ports['clear']}:interface={FRONT}"]
    for kind, path in place.certificates.items():
        port = place.ports[kind]
        endpoints.append(f"ssl:{port}:interface={FRONT}:privateKey={path}:certKey={path}")
    return [sys.executable, "-m", "benchmarks.forward", str(place.servers["clear"]), *endpoints]


PROFTPD = """
ModulePath {modules}
LoadModule mod_tls.c
LoadModule mod_proxy.c
ServerName "mod_proxy"
ServerType standalone
DefaultAddress {front}
SocketBindTight on
Port {ftp}
UseIPv6 off
User nobody
Group nogroup
PidFile {home}/pid
ScoreboardFile {home}/scoreboard
SystemLog {home}/system.log
WtmpLog off
UseReverseDNS off
DelayEngine off
MaxInstances none
ProxyTables {home}/tables
<Global>
TransferLog {home}/transfers.log
TimeoutIdle 900
PassivePorts {passive} {last_passive}
ProxyEngine on
ProxyReverseServers ftp://{host}:{ftp_server}
ProxyDataTransferPolicy PASV
ProxyTLSEngine off
ProxyLog {home}/proxy.log
</Global>
<VirtualHost {front}>
Port {ftps}
TLSEngine on
TLSRequired on
TLSProtocol TLSv1.2 TLSv1.3
TLSECCertificateFile {ecdsa_pem}
TLSECCertificateKeyFile {ecdsa_pem}
TLSCACertificateFile {ecdsa_pem}
TLSOptions NoSessionReuseRequired
TLSLog {home}/tls.log
</VirtualHost>
"""


def mod_proxy(place: Place) -> list[str]:
    """A process for each session.

    Its tables are SQLite's: on a disk they would be its limit. With the defaults of ProxyTLSEngine
    and TLSCACertificateFile every session reads all authorities' certificates, 50 ms of CPU.
    """
    (place.home / "tables").mkdir()
    text = place.fill(PROFTPD, modules=ROOT / "usr/lib/proftpd")
    path = place.write("proftpd.conf", text)
    return [program("proftpd"), "--nodaemon", "--config", path]


OTHERS = {
    "HAProxy": Rival(TCP_KINDS, haproxy, ("haproxy",)),
    "HAProxy splice": Rival(TCP_KINDS, haproxy_splice, ("haproxy",)),
    "nginx": Rival(TCP_KINDS, nginx, ("nginx",)),
    "portforward": Rival(TCP_KINDS, portforward),
    "mod_proxy": Rival(FTP_KINDS, mod_proxy, ("proftpd",), root=True),
}
