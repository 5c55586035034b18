"""The pages, and what fills them in: `make docs` builds them."""
