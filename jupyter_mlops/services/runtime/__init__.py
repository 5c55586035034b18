"""What a packaged service needs to answer requests; copied into every Bento as `mlops_runtime`.

It stands alone: of jupyter_mlops it imports only `model_files`, which is copied with it.
"""
