"""docs/integrate.md shows these files as they are: what is tried is what people copy."""

import pathlib
import re
import sys

page = pathlib.Path("docs/integrate.md").read_text()
shown = re.findall(r"<!-- (\.ci/interop/\S+) -->\n```\w+\n(.*?)```\n", page, re.DOTALL)
for path, text in shown:
    if pathlib.Path(path).read_text() != text:
        sys.exit(f"docs/integrate.md does not show {path} as it is")
if len(shown) != 5:
    sys.exit(f"docs/integrate.md shows {len(shown)} of the 5 services")
print("docs/integrate.md shows", ", ".join(path for path, _ in shown))
