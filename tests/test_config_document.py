"""A frontend that names a backend gets a group of its own, and a dump finds the backend again."""

import attrs

from twisted_lb.config.document import (
    Document,
    WrittenFrontend,
    WrittenRoute,
    own_name,
    settle,
    unsettle,
)
from twisted_lb.config.settings import (
    Backend,
    FrontendTimeout,
    FtpRules,
    Group,
    RoleRule,
    ServerRule,
    Settings,
)

POOL = Backend("pool", (ServerRule("a", "10.0.0.1"),))


def settled(*frontends: WrittenFrontend, groups: tuple[Group, ...] = ()) -> Settings:
    named = {group.name: group for group in groups}
    return settle(Document(frontends, named, (POOL,)))


def test_each_connection_to_a_backend_without_a_group_is_its_own_session() -> None:
    settings = settled(
        WrittenFrontend("web", backend="pool", server_port=8080, timeout=FrontendTimeout(idle=5.0))
    )
    assert settings.frontends[0].group == "web"
    assert settings.groups == {
        "web": Group(
            "web",
            "pool",
            key=("connection",),
            linger=0.0,
            roles={"any": RoleRule(server_port=8080)},
            idle=5.0,
        )
    }


def test_an_ftp_session_ends_with_its_control_channel_after_the_grace() -> None:
    settings = settled(
        WrittenFrontend(
            "ftp", protocol="ftp", role="control", backend="pool", ftp=FtpRules(grace=3.0)
        )
    )
    group = settings.groups["ftp"]
    assert group.roles == {"control": RoleRule(principal=True), "data": RoleRule()}
    assert (group.grace, group.linger, group.key) == (3.0, 0.0, ("connection",))


def test_routes_to_backends_have_groups_of_their_own() -> None:
    frontend = WrittenFrontend(
        "tls",
        group="site",
        server_port=443,
        routes=(
            WrittenRoute(sni=("a",), backend="pool"),
            WrittenRoute(sni=("b",), group="site"),
            WrittenRoute(sni=("c",), backend="pool"),
        ),
    )
    settings = settled(frontend, groups=(Group("site", "pool"),))
    assert [r.group for r in settings.frontends[0].routes] == ["tls/pool", "site", "tls/pool"]
    assert set(settings.groups) == {"site", "tls/pool"}
    assert settings.groups["tls/pool"].roles["any"].server_port == 443


def test_settings_are_told_as_they_were_written() -> None:
    frontends = (
        WrittenFrontend("web", backend="pool", server_port=8080),
        WrittenFrontend(
            "tls",
            server_port=(1, 2),
            routes=(
                WrittenRoute(sni=("a",), backend="pool"),
                WrittenRoute(sni=("b",), group="site"),
            ),
        ),
        WrittenFrontend("more", group="site"),
    )
    document = Document(frontends, {"site": Group("site", "pool")}, (POOL,))
    assert unsettle(settle(document)) == document


def test_a_group_of_the_frontend_s_name_that_says_more_stays_a_group() -> None:
    settings = settled(
        WrittenFrontend("web", group="web"), groups=(Group("web", "pool", linger=5.0),)
    )
    document = unsettle(settings)
    assert document.frontends[0].group == "web"
    assert settle(document) == settings


def test_a_group_of_the_frontend_s_name_that_others_use_stays_a_group() -> None:
    alone = settled(WrittenFrontend("web", backend="pool"))
    other = attrs.evolve(alone.frontends[0], name="other")
    shared = attrs.evolve(alone, frontends=(alone.frontends[0], other))
    document = unsettle(shared)
    assert [frontend.group for frontend in document.frontends] == ["web", "web"]
    assert settle(document) == shared


def test_a_name_that_leads_nowhere_is_kept() -> None:
    document = Document((WrittenFrontend("web", group="nowhere"),))
    assert unsettle(settle(document)) == document


def test_a_role_that_the_group_does_not_have_is_kept() -> None:
    group = Group("site", "pool", roles={"control": RoleRule()})
    document = Document((WrittenFrontend("web", group="site"),), {"site": group}, (POOL,))
    assert unsettle(settle(document)) == document


def test_the_groups_that_a_frontend_needs_for_itself() -> None:
    routes = (WrittenRoute(backend="one"), WrittenRoute(group="site"))
    frontend = WrittenFrontend("web", routes=routes)
    assert frontend.own_groups == {"web/one": "one"}
    assert attrs.evolve(frontend, backend="two").own_groups == {"web/one": "one", "web": "two"}
    assert own_name(frontend, "one") == "web/one"
