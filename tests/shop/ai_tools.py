"""Tools whose effect is a line in a ledger, so that a test can count how often each ran."""

import os
import time
from pathlib import Path

from chat.tools import ToolContext, tool


def _write(line: str) -> None:
    with Path(os.environ["SHOP_LEDGER"]).open("a") as ledger:
        ledger.write(f"{line}\n")


@tool(side_effects=True, requires_approval=True)
def pay(amount: int, to: str, context: ToolContext) -> str:
    """Pay an amount of money to somebody."""
    _write(f"paid {amount} to {to}, {context.idempotency_key}")
    return f"Paid {amount} to {to}."


@tool(side_effects=True, requires_approval=True, approvals=2, asks="Move {amount} € to {to}?")
def move(amount: int, to: str) -> str:
    """Move much money, which two people have to want."""
    _write(f"moved {amount} to {to}")
    return f"Moved {amount} to {to}."


@tool(requires_approval=True)
def read_letter(name: str) -> str:
    """Read a private letter."""
    _write(f"read {name}")
    return f"The letter {name} says: hello."


@tool(side_effects=True)
def ship(parcel: str) -> str:
    """Ship a parcel; takes its time."""
    _write(f"shipping {parcel}")
    time.sleep(15)
    return f"Shipped {parcel}."


@tool
def look_up(shelf: str) -> str:
    """Look what is on a shelf; takes its time."""
    _write(f"looked at {shelf}")
    time.sleep(2)
    return f"Shelf {shelf} is empty."
