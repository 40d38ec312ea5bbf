"""The files of `deploy/` and the container: `make test` reads them, two targets of their own run them."""
