"""What docs/openapi.yaml does not tell schemathesis.

A password that is not easy to guess, which no schema can say. An address whose part before the @ is in ASCII, and whose
domain may be in Unicode. Language tags. The bodies of links: OpenAPI has one expression for a body, and these have some
in an object, which schemathesis alone evaluates. How to read what is no JSON."""

import schemathesis
from hypothesis import strategies as st

words = st.text(st.characters(min_codepoint=33, max_codepoint=0x17F, categories=["L", "N", "P"]), min_size=24, max_size=48)
schemathesis.openapi.format("password", words)

local = st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}", fullmatch=True)
domains = st.sampled_from(["example.com", "Example.org", "bücher.example", "xn--bcher-kva.example", "例え.テスト"])
schemathesis.openapi.format("idn-email", st.builds("{}@{}".format, local, domains))


tags = st.sampled_from(["de", "de-CH", "DE-at", "zh-Hant-TW", "es-419", "sl-rozaj-biske", "en-a-bbb-x-a-ccc", "x-whatever", "i-klingon"])
schemathesis.openapi.format("language-tag", tags)


# The files of pages, which are no JSON.
@schemathesis.deserializer("text/html", "text/css", "text/javascript")
def text(_context, response):
    return response.content.decode()


# By the operation to which a link leads.
bodies = {
    "login": {"email": "$request.body#/email", "password": "$request.body#/password"},
    "refresh": {"refresh_token": "$response.body#/refresh_token"},
    "logout": {"refresh_token": "$response.body#/refresh_token"},
    "deleteAccount": {"password": "$request.body#/new_password"},
}


@schemathesis.hook
def before_load_schema(_context, schema):
    operations = (item[method] for item in schema["paths"].values() for method in {"get", "put", "post", "patch", "delete"} & item.keys())
    links = [link for operation in operations for answer in operation["responses"].values() for link in answer.get("links", {}).values()]
    assert bodies.keys() <= {link["operationId"] for link in links}, links
    for link in links:
        if link["operationId"] in bodies:
            link["requestBody"] = bodies[link["operationId"]]
