"""What twistd and endpoint strings find. Little is imported here: every twistd reads this file."""

from typing import Any

from twisted.application.service import ServiceMaker
from twisted.internet.interfaces import IStreamServerEndpoint, IStreamServerEndpointStringParser
from twisted.plugin import IPlugin
from zope.interface import implementer


class GatewayMaker(ServiceMaker):
    """A program that needs what the extra `gateway` installs, and says so where it is not there."""

    @property
    def options(self) -> Any:
        try:
            return super().options
        except ModuleNotFoundError as missing:
            if (missing.name or "").startswith("twisted_lb"):
                raise
            needed = "pip install 'twisted-lb[gateway]'"
            raise SystemExit(f"{self.tapname}: needs {missing.name}: {needed}") from None


lb_proxy = ServiceMaker(
    "twisted-lb proxy",
    "twisted_lb.tap",
    "A load balancer that knows several connections can be one session.",
    "lb-proxy",
)

security_proxy = GatewayMaker(
    "twisted-lb security proxy",
    "twisted_lb.gateway.proxytap",
    "A security proxy: clients with TLS and a token in, connections to their hosts out.",
    "security-proxy",
)

lb_tunnel = ServiceMaker(
    "twisted-lb tunnel",
    "twisted_lb.gateway.tunneltap",
    "Local ports for ordinary programs, whose hosts are behind a security proxy.",
    "lb-tunnel",
)

lb_token_server = GatewayMaker(
    "twisted-lb token server",
    "twisted_lb.gateway.tokentap",
    "Gives users signed tokens for security proxies.",
    "lb-token-server",
)


@implementer(IPlugin, IStreamServerEndpointStringParser)
class LbEndpoint:
    """`lb:tcp\\:8080:trusted=10.0.0.0/8`: a server behind a balancer (docs/embedding.md)."""

    prefix = "lb"

    def parseStreamServer(self, reactor: Any, *args: Any, **kwargs: Any) -> IStreamServerEndpoint:
        from twisted_lb.endpoint import behind_balancer

        return behind_balancer(reactor, *args, **kwargs)


lb_endpoint = LbEndpoint()
