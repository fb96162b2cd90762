"""One ``when:`` block of a rule, compiled into a condition that can explain itself."""
