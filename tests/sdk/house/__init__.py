"""A Django app of a project's own, with a tool that a person has to allow."""
