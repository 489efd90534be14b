"""What twistd finds: `twistd lb-proxy`. Nothing is imported here but what makes it findable."""

from twisted.application.service import ServiceMaker

lb_proxy = ServiceMaker(
    "twisted-lb proxy",
    "twisted_lb.tap",
    "A load balancer that knows several connections can be one session.",
    "lb-proxy",
)
