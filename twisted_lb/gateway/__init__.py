"""The open security proxy and its tunnel: a second program on the balancer's rooms.

`docs/protocols/security-proxy.md` says every byte. Lines and tokens are pure: `openingline`,
`notices`, `sessionid`, `token`, `transfers`. The proxy and the tunnel hold the sockets.
"""
