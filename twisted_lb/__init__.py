"""twisted-lb: a load balancer that knows several connections can be one session."""
