"""Packaging of asap_ingest; requirements.txt is the one list of what it needs."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
DASK = ["distributed>=2024.8.0", "cryptography>=42"]
S3 = ["s3fs>=2024.6.1"]
VIEWER = ["neuroglancer>=2.40"]
VOLUMES = ["tensorstore>=0.1.64"]


def requirements() -> list[str]:
    lines = (HERE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def version() -> str:
    """`__version__` of the package, which is the only place that states it."""
    text = (HERE / "asap_ingest" / "__init__.py").read_text(encoding="utf-8")
    return re.findall(r'^__version__ = "(.+)"$', text, re.MULTILINE)[0]


setup(
    name="asap_ingest",
    version=version(),
    description="Volume electron microscopy from the microscope to the viewer",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="asap_ingest contributors",
    license="MIT",
    license_files=["LICENSE"],
    keywords=["electron microscopy", "image pyramid", "render", "Neuroglancer", "OME-Zarr", "precomputed"],
    project_urls={
        "render-ws": "https://github.com/saalfeldlab/render",
        "render-python": "https://github.com/AllenInstitute/render-python",
        "Neuroglancer": "https://github.com/google/neuroglancer",
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Environment :: Web Environment",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Bio-Informatics",
        "Topic :: Scientific/Engineering :: Image Processing",
        "Typing :: Typed",
    ],
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["asap_ingest", "asap_ingest.*"]),
    package_data={
        "asap_ingest": ["py.typed"],
        "asap_ingest.lab": ["*.html"],
        "asap_ingest.neuroglancer_client": ["*.js"],
        "asap_ingest.render_ws": ["client_scripts/*.sh", "pages/*"],
        "asap_ingest.report": ["pages/*"],
        "asap_ingest.volumes.serving": ["*.html"],
    },
    install_requires=requirements(),
    extras_require={
        "dask": DASK,
        "s3": S3,
        "viewer": VIEWER,
        "volumes": VOLUMES,
        "test": [
            "pytest>=8",
            "pytest-timeout>=2.3",
            "pytest-xdist>=3.7",
            "hypothesis>=6.100",
            "moto[server]>=5.0",
            "playwright>=1.48",
            "schemathesis>=4.0",
            "cloud-volume>=12.0",
            "zarr>=3.0",
            # tools that open volumes; they are run, and igneous (GPL) is never imported
            "igneous-pipeline>=4.30",
            "ome-zarr>=0.11",
            "neuroglancer-scripts>=1.2",
            # the notebook in docs/ is run; tables of tiles are data frames where pandas is there
            "nbclient>=0.10",
            "ipykernel>=6.29",
            "pandas>=2.2",
            # a wheel is built and installed, without the network
            "build>=1.2",
            "setuptools>=77",
            *(*DASK, *S3, *VIEWER, *VOLUMES),
        ],
        "coverage": ["coverage>=7.10"],
        "bench": ["pyvips>=3", "pyvips-binary>=8.16", "tinybrain>=1.7"],
        "docs": ["mkdocs>=1.6", "mkdocs-material>=9.6", "mkdocstrings[python]>=0.29"],
        "lint": ["ruff>=0.6", "mypy>=1.11", "types-requests"],
    },
    entry_points={
        "console_scripts": [
            "asap-ingest=asap_ingest.__main__:main",
            "precomputed-tif=asap_ingest.precomputed_tif:main",
            "precomputed-webserver=asap_ingest.serve_precomputed:main",
        ]
    },
)
