"""`lb-proxyctl`: what an operator asks of a running balancer, and how it is shown."""
