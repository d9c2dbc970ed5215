"""What schemathesis gives for a password: one that is not easy to guess, which no schema can say."""

import schemathesis
from hypothesis import strategies as st

words = st.text(st.characters(min_codepoint=33, max_codepoint=0x17F, categories=["L", "N", "P"]), min_size=24, max_size=48)
schemathesis.openapi.format("password", words)
