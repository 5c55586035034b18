"""Check model files before any library reads them, and load them in a service.

This package imports nothing else of jupyter_mlops, and each Bento has a copy of it. A check reads only bytes and JSON;
it never unpickles, imports or evaluates content of a file. Each `NAME_file` that a service loads from defines
`RUNS_CODE`: whether `serve` runs code of the file.
"""
