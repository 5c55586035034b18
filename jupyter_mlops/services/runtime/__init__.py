"""The code of a packaged service; it is copied into every Bento as `mlops_runtime`.

From jupyter_mlops it imports only `model_files`, which is copied with it.
"""
