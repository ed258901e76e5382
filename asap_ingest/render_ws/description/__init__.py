"""Descriptions of the service, made from the table of its operations: for programs and for people."""
