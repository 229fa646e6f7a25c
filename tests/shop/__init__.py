"""A project's own app, with tools that do something: what the tests of approvals, retries and unknown outcomes call."""
