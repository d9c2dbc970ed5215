"""Checks that docs/integrate.md shows the services and templates of examples/ as they are."""

import pathlib
import re
import sys

page = pathlib.Path("docs/integrate.md").read_text()
shown = re.findall(r"<!-- (examples/\S+) -->\n```\w+\n(.*?)```\n", page, re.DOTALL)
for path, text in shown:
    if pathlib.Path(path).read_text() != text:
        sys.exit(f"docs/integrate.md does not show {path} as it is")
services = ["axum/src/main.rs", "express.mjs", "fastapi_service.py"]
wanted = [f"examples/services/{name}" for name in services]
wanted += [str(path) for path in sorted(pathlib.Path("examples/templates").iterdir())]
missing = set(wanted) - {path for path, _ in shown}
if missing:
    sys.exit(f"docs/integrate.md does not show {', '.join(sorted(missing))}")
print("docs/integrate.md shows", ", ".join(path for path, _ in shown))
