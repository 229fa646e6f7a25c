"""Reads of the tables for the rooms above: plain sync functions, keyword-only arguments, typed results.

The log itself is read by `sessions_app.log.replay`, and in pages for people by `sessions_app.review.reader`.
"""
