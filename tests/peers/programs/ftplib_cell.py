"""One cell with Python's ftplib: usage: ftplib_cell.py TASK (see tests/peers/cells.py).

The library is as it comes, but told which of its own commands to use for data connections: it would
choose by the address family alone.
"""

import ftplib
import json
import socket
import ssl
import sys
from pathlib import Path

task = json.loads(sys.argv[1])
mode, operation, put, half = task["mode"], task["operation"], task["put"], task["half"]


tls = task["tls"]


class FTP(ftplib.FTP_TLS if tls else ftplib.FTP):
    """With TLS, data connections go on with the control connection's TLS session: the library's own
    do not."""

    trust_server_pasv_ipv4_address = True

    def makepasv(self):
        if mode == "PASV":
            return ftplib.parse227(self.sendcmd("PASV"))
        return ftplib.parse229(self.sendcmd("EPSV"), self.sock.getpeername())

    def makeport(self):
        sock = socket.create_server(("", 0), family=self.af, backlog=1)
        port, host = sock.getsockname()[1], self.sock.getsockname()[0]
        (self.sendport if mode == "PORT" else self.sendeprt)(host, port)
        sock.settimeout(self.timeout)
        return sock

    def getresp(self):
        if tls and tls["implicit"] and not isinstance(self.sock, ssl.SSLSocket):
            self.sock = self.context.wrap_socket(self.sock, server_hostname=self.host)
            self.file = self.sock.makefile(mode="r", encoding=self.encoding)
        return super().getresp()

    def ntransfercmd(self, cmd, rest=None):
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if tls and tls["private"]:
            conn = self.context.wrap_socket(
                conn, server_hostname=self.host, session=self.sock.session
            )
        return conn, size

    def get(self, name, to, rest=None):
        with open(to, "ab" if rest else "wb") as file:
            self.retrbinary(f"RETR get/{name}", file.write, rest=rest)

    def break_off(self):
        data = self.transfercmd("RETR get/m-large")
        data.recv(1000)
        self.abort()
        data.close()
        self.putcmd("NOOP")
        while not self.getmultiline().startswith("200"):
            pass


def context():
    context = ssl.create_default_context(cafile=task["ca"])
    version = getattr(ssl.TLSVersion, "TLSv" + tls["version"].replace(".", "_"))
    context.minimum_version = context.maximum_version = version
    return context


ftp = FTP(timeout=10, context=context()) if tls else FTP(timeout=10)
ftp.set_debuglevel(2)
ftp.connect(task["host"], task["port"])
ftp.login(task["user"], task["password"])
if tls:
    ftp.prot_p()
    if not tls["private"]:
        ftp.prot_c()
ftp.set_pasv(mode in ("PASV", "EPSV"))
ftp.get("a-marker", "before")
with open("up", "rb") as up:
    match operation:
        case "upload":
            ftp.storbinary(f"STOR {put}", up)
        case "append":
            ftp.storbinary(f"APPE {put}", up)
        case "resume-upload":
            up.seek(half)
            ftp.storbinary(f"STOR {put}", up, rest=half)
        case "download":
            ftp.get("m-large", "got")
        case "resume":
            ftp.get("m-large", "got", rest=half)
        case "abort":
            ftp.break_off()
lines: list[str] = []
ftp.retrlines("LIST get", lines.append)
Path("listing").write_text("\n".join(lines))
ftp.get("z-marker", "after")
ftp.quit()
