"""The code of a packaged service; copied into every Bento as `mlops_runtime`.

It stands alone: it imports nothing of jupyter_mlops. `jupyter_mlops.model_files` is copied into it as `model_files`.
"""
