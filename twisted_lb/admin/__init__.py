"""What operators see of a running balancer, and may tell it."""
