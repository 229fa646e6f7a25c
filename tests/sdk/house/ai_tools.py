from chat.tools.registry import tool


@tool(requires_approval=True, side_effects=True)
def open_door(room: str) -> str:
    """Open the door of a room.

    Args:
        room: The room's name.
    """
    return f"The door of the {room} is open."
