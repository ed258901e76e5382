"""One page about a section: contact sheet, histogram, tiles that stand out, failures, throughput."""
