"""FTP as a balancer must understand it: the control channel read, data channels announced."""
