"""`./run demo`: the balancer at work in one process on loopback, with clients and servers.

Two scenes: `ftp`, a balancer before two FTP servers; `gateway`, a tunnel, a balancer, two security
proxies, a token server and hosts. What is shown is what others saw: disks and logs, not our table.
"""
