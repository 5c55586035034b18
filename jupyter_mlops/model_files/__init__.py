"""Checks of stored models, made before any library reads them.

The package stands alone: it imports nothing else of jupyter_mlops, and each Bento carries a copy of it. A
check reads bytes and JSON only. It never unpickles, imports or evaluates what a file names.
"""
