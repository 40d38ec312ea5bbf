"""The packages of the wheel: every folder of `service/`, `schemas/` as `service.schemas`, and `mcp_server`.

`pyproject.toml` says everything else; its `packages.find` cannot add a folder that lies beside `service/`.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["service", "service.*"]), "service.schemas"],
    package_dir={"service.schemas": "schemas"},
    py_modules=["mcp_server"],
)
