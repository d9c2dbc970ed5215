"""Checks that docs/integrate.md shows the files of examples/ as they are, and that README.md shows parts of one."""

import pathlib
import re
import sys
import textwrap

page = pathlib.Path("docs/integrate.md").read_text()
shown = re.findall(r"<!-- (examples/\S+) -->\n```\w+\n(.*?)```\n", page, re.DOTALL)
for path, text in shown:
    if pathlib.Path(path).read_text() != text:
        sys.exit(f"docs/integrate.md does not show {path} as it is")
template = pathlib.Path("examples/templates/authorizer-arn.yaml").read_text()
for language, indentation in [("yaml", 0), ("python", 8)]:
    [part] = re.findall(rf"```{language}\n(.*?)```\n", pathlib.Path("README.md").read_text(), re.DOTALL)
    if textwrap.indent(part, " " * indentation) not in template:
        sys.exit(f"README.md does not show the {language} of authorizer-arn.yaml as it is")
services = ["axum/src/main.rs", "express.mjs", "fastapi_service.py"]
wanted = [f"examples/services/{name}" for name in services]
wanted += [str(path) for path in sorted(pathlib.Path("examples/templates").iterdir())]
wanted += [str(path) for path in sorted(pathlib.Path("examples/notes").rglob("*")) if path.is_file()]
missing = set(wanted) - {path for path, _ in shown}
if missing:
    sys.exit(f"docs/integrate.md does not show {', '.join(sorted(missing))}")
print("docs/integrate.md shows", ", ".join(path for path, _ in shown))
