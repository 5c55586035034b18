"""The files of models: checked before any library reads them, and loaded in a service.

The package stands alone: it imports nothing else of jupyter_mlops, and each Bento carries a copy of it. A check
reads bytes and JSON only; it never unpickles, imports or evaluates what a file names. Each `NAME_file` that a service
loads from says in `RUNS_CODE` whether `serve` runs code of the file.
"""
