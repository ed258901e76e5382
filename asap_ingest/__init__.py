"""asap_ingest: volume electron microscopy from the microscope to the viewer."""

__version__ = "0.1.0"
