"""Write a section's page: `section_<z>.html`."""

from __future__ import annotations

from asap_ingest import storage
from asap_ingest.secrets import masked
from asap_ingest.section_report.page import page
from asap_ingest.section_report.records import SectionSummary
from asap_ingest.section_report.survey import survey


def write_section_report(folder: str, section: SectionSummary) -> str:
    """Look at a section's thumbnails and write what was found into a self-contained HTML file.

    Reads nothing but the thumbnails. One that cannot be read is a failure of its tile on the page.
    The same section and thumbnails give the same bytes.

    Parameters
    ----------
    folder : str
        Path or URI; made if it is missing.

    Returns
    -------
    str
        URI of `<folder>/section_<z>.html`.

    Raises
    ------
    StorageError
        The page could not be written.
    """
    uri = storage.as_uri(storage.join(folder, f"section_{section.z_text}.html"))
    # what UTF-8 cannot hold (half of a surrogate pair in a tile's name) becomes a reference
    storage.write_bytes(uri, masked(page(survey(section))).encode("utf-8", "xmlcharrefreplace"))
    return uri
