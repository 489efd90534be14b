"""A document is settled even when its names lead nowhere, so that all rules can look at it."""

from twisted_lb.config.document import Document, WrittenFrontend, WrittenRoute
from twisted_lb.config.meaning import Meaning
from twisted_lb.config.settings import Group


def test_a_frontend_is_a_member_of_every_group_that_it_leads_to() -> None:
    routes = (
        WrittenRoute(backend="pool", sni=("a",)),
        WrittenRoute(group="site", sni=("b",)),
        WrittenRoute(group="nowhere", sni=("c",)),
    )
    frontends = (
        WrittenFrontend("plain", backend="pool"),
        WrittenFrontend("tls", group="site", role="web", routes=routes),
    )
    meaning = Meaning.of(Document(frontends, {"site": Group("site", "pool")}))
    assert list(meaning.frontends) == [
        (("frontend", 0), frontends[0]),
        (("frontend", 1), frontends[1]),
    ]
    assert [(member.path, member.group.name, member.port_path) for member in meaning.members] == [
        (("frontend", 0), "plain", ("frontend", 0, "server_port")),
        (("frontend", 1), "site", ("group", "site", "role", "web", "server_port")),
        (("frontend", 1), "tls/pool", ("frontend", 1, "server_port")),
    ]
