"""The open security proxy, its tunnel and a token server: programs on the balancer's rooms.

`docs/protocols/security-proxy.md` says every byte. Pure: `openingline`, `notices`, `sessionid`,
`transfers`, `token` and `tokenclaims`, `grants`, `destinations`, `passes`, `settings`.

A connection's way is `proxypath.Path.carry` at the proxy and `tunnelpath.Path.carry` at the tunnel;
`proxysession` and `tunnelsession` are the two sides of an FTP session. `gate` is what both programs
have around them, `program` what twistd runs.
"""
