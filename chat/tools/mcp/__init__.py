"""Tools of MCP servers: started or connected once per process, offered to the model like our own.

Nothing but this package knows the SDK, and it is imported only where servers are named.
"""
