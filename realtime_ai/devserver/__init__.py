"""``manage.py runserver``: daphne's, with the worker beside it, and with an end that drains (docs/decisions/0027-daphne-adapted.md)."""
