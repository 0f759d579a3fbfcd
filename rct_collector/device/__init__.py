"""One configured device: rounds of questions over its line, on its schedule, into samples."""
