"""What schemathesis gives for a password: one that is not easy to guess, which no schema can say. And for an address:
one whose part before the @ is in ASCII, and whose domain may be in Unicode."""

import schemathesis
from hypothesis import strategies as st

words = st.text(st.characters(min_codepoint=33, max_codepoint=0x17F, categories=["L", "N", "P"]), min_size=24, max_size=48)
schemathesis.openapi.format("password", words)

local = st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}", fullmatch=True)
domains = st.sampled_from(["example.com", "Example.org", "bücher.example", "xn--bcher-kva.example", "例え.テスト"])
schemathesis.openapi.format("idn-email", st.builds("{}@{}".format, local, domains))
