"""The tools that ship with this server. Importing this registers them."""

from chat.tools.builtin import account, calculator, clock, sessions

__all__ = ["account", "calculator", "clock", "sessions"]
