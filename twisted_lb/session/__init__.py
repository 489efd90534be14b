"""The rules of a session: which connections are together, on which server, until when. Sans-I/O."""

from .table import Sessions
from .values import (
    Channel,
    Claim,
    Dial,
    Drop,
    Gone,
    Order,
    Orders,
    Place,
    Queue,
    Session,
    State,
    Stop,
)

__all__ = [
    "Channel",
    "Claim",
    "Dial",
    "Drop",
    "Gone",
    "Order",
    "Orders",
    "Place",
    "Queue",
    "Session",
    "Sessions",
    "State",
    "Stop",
]
