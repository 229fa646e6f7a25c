"""``make run`` and ``make serve``: starts what the product consists of, watches it, and stops it in order."""
