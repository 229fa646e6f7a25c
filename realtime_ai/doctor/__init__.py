"""``manage.py doctor``: looks at everything that a production needs, from outside of the server, and says what to mend."""
