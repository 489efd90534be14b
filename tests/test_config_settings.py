"""The settings answer what several rooms ask of them."""

import pytest

from twisted_lb.config.settings import (
    Backend,
    Frontend,
    Group,
    RoleRule,
    ServerRule,
    Settings,
    SniRoute,
)
from twisted_lb.terms import Address

LISTEN = (Address("*", 80), Address("*", 81))


@pytest.mark.parametrize(
    ("rule", "listen", "ports"),
    [
        (RoleRule(), LISTEN, {80, 81}),
        (RoleRule(), (), {0}),
        (RoleRule(server_port=8080), LISTEN, {8080}),
        (RoleRule(server_port=(5, 7)), LISTEN, {5, 6, 7}),
    ],
)
def test_the_ports_that_a_frontend_s_channels_dial(
    rule: RoleRule, listen: tuple[Address, ...], ports: set[int]
) -> None:
    group = Group("site", "pool", roles={"web": rule})
    assert group.dialled(Frontend("f", listen, role="web")) == ports


def test_the_rule_of_any_stands_for_roles_that_are_not_named() -> None:
    named, other = RoleRule(principal=True), RoleRule(server_port=5)
    group = Group("site", "pool", roles={"control": named, "any": other})
    assert group.rule("control") == named
    assert group.rule("data") == other
    assert Group("site", "pool", roles={}).rule("data") == RoleRule()


def settings() -> Settings:
    routes = (SniRoute("more", ("a",)), SniRoute("site", ("b",)), SniRoute("nowhere", ("c",)))
    groups = {
        "site": Group("site", "pool"),
        "more": Group("more", "pool", roles={"any": RoleRule(server_port=5)}),
        "else": Group("else", "other"),
    }
    frontends = (
        Frontend("f", LISTEN, group="site", routes=routes),
        Frontend("g", (Address("*", 90),), group="else"),
    )
    backends = {name: Backend(name, (ServerRule("a", "10.0.0.1"),)) for name in ("pool", "other")}
    return Settings(frontends, groups, backends)


def test_the_groups_that_a_frontend_s_connections_may_belong_to() -> None:
    made = settings()
    assert [group.name for group in made.groups_of(made.frontends[0])] == ["site", "more"]
    assert [(frontend.name, group.name) for frontend, group in made.members()] == [
        ("f", "site"),
        ("f", "more"),
        ("g", "else"),
    ]


def test_the_ports_that_channels_of_a_backend_dial() -> None:
    assert settings().dialled("pool") == {80, 81, 5}
    assert settings().dialled("other") == {90}
    assert settings().dialled("unused") == set()
