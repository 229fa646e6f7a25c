"""The wire, the conversation engine, the models, the tools, the summary and the chat page."""
