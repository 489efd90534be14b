"""The balancer beside a service of your own: a web page that shows its servers, and drains them.

`python examples/embedded.py lb.toml` runs it, `curl localhost:8888` looks at it, and a server is
drained by `curl -X POST localhost:8888/pool/a/drain`, and taken back by `…/pool/a/ready`.
"""

import sys
from collections import Counter
from pathlib import Path

from twisted.application.service import MultiService
from twisted.application.strports import service
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.web.resource import Resource
from twisted.web.server import Site

from twisted_lb import balancer, load
from twisted_lb.facts import SessionEnded


class Status(Resource):
    """One line for each server, and one for each way in which sessions ended."""

    isLeaf = True

    def __init__(self, balanced, endings):
        super().__init__()
        self.balanced = balanced
        self.endings = endings

    def render_GET(self, request):
        lines = [
            f"{server} {'up' if server.up else 'down'} {server.admin} {server.sessions} sessions"
            for server in self.balanced.servers
        ]
        lines += [f"{count} sessions ended: {word}" for word, count in self.endings.items()]
        request.setHeader("content-type", "text/plain; charset=utf-8")
        return "\n".join([*lines, ""]).encode()

    def render_POST(self, request):
        backend, name, admin = (part.decode() for part in request.postpath)
        self.balanced.set_admin(self.balanced.server(backend, name), admin)
        return b"done\n"


def program(reactor, configuration, web):
    """Both services as one. Raises ConfigurationError, which says everything that is wrong."""
    endings = Counter()

    def note(fact):
        if isinstance(fact, SessionEnded):
            endings[fact.ending] += 1

    both = MultiService()
    balanced = balancer(load(configuration, "lb.toml"), reactor, note)
    balanced.setServiceParent(both)
    service(web, Site(Status(balanced, endings)), reactor).setServiceParent(both)
    return both


def main(reactor, file, web="tcp:8888:interface=localhost"):
    both = program(reactor, Path(file).read_text(), web)
    both.startService()  # CannotListen, when an address is taken
    reactor.addSystemEventTrigger("before", "shutdown", both.stopService)  # drains
    return Deferred()  # until the process is told to stop


if __name__ == "__main__":
    react(main, sys.argv[1:])
