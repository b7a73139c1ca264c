"""Everything a person reads, in English and Korean. Pure functions."""
