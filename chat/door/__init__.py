"""The front door: signing in, second factors, passwords. django-allauth does the work, in our look and within our limits."""
