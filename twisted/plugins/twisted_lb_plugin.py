"""What twistd and endpoint strings find. Little is imported here: every twistd reads this file."""

from typing import Any

from twisted.application.service import ServiceMaker
from twisted.internet.interfaces import IStreamServerEndpoint, IStreamServerEndpointStringParser
from twisted.plugin import IPlugin
from zope.interface import implementer

lb_proxy = ServiceMaker(
    "twisted-lb proxy",
    "twisted_lb.tap",
    "A load balancer that knows several connections can be one session.",
    "lb-proxy",
)


@implementer(IPlugin, IStreamServerEndpointStringParser)
class LbEndpoint:
    """`lb:tcp\\:8080:trusted=10.0.0.0/8`: a server behind a balancer (docs/embedding.md)."""

    prefix = "lb"

    def parseStreamServer(self, reactor: Any, *args: Any, **kwargs: Any) -> IStreamServerEndpoint:
        from twisted_lb.endpoint import behind_balancer

        return behind_balancer(reactor, *args, **kwargs)


lb_endpoint = LbEndpoint()
