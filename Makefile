# make demo · make test · make lab · make bench · make test-all · make check · make lock

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
TORCH := torch==2.13.0
# A local folder of wheels, when pip was told of one; uv does not read that setting by itself.
FIND_LINKS := $(if $(PIP_FIND_LINKS),--find-links "$(PIP_FIND_LINKS)")

# torch and its CUDA parts differ from machine to machine: pinned by version above, left out of the hashes.
UNHASHED := torch triton cuda-bindings cuda-pathfinder cuda-toolkit $(addprefix nvidia-,cublas cuda-cupti \
	cuda-nvrtc cuda-runtime cudnn-cu13 cufft cufile curand cusolver cusparse cusparselt-cu13 nccl-cu13 \
	nvjitlink nvshmem-cu13 nvtx)
