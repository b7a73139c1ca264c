"""An archive as pages that a person reads. The content of an archive is shown, and never run."""
