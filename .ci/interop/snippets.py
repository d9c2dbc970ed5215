"""The README shows these files as they are: what is tried is what people copy."""

import pathlib
import re
import sys

readme = pathlib.Path("README.md").read_text()
shown = re.findall(r"<!-- (\.ci/interop/\S+) -->\n```\w+\n(.*?)```\n", readme, re.DOTALL)
for path, text in shown:
    if pathlib.Path(path).read_text() != text:
        sys.exit(f"README.md does not show {path} as it is")
if len(shown) != 5:
    sys.exit(f"README.md shows {len(shown)} of the 5 services")
print("README.md shows", ", ".join(path for path, _ in shown))
