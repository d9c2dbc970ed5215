"""Runs the commands of a page and compares what they print with what the page shows.

conversation.py PAGE MARK [OLD=NEW]...: takes the console blocks under each mark `<!-- MARK -->`, with NEW for OLD in
them, and runs them in one shell. Identifiers and times differ each time, so only their places count.
"""

import pathlib
import re
import subprocess
import sys

END = "\x1e"


def commands(text):
    """Returns each command with the lines that the page shows below it."""
    found = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append([line[2:], []])
        elif found[-1][0].endswith("\\"):
            found[-1][0] += "\n" + line
        else:
            found[-1][1].append(line)
    return [(command, "\n".join(shown)) for command, shown in found]


def masked(text, names):
    """Returns the text with names for what differs each time. What occurs again gets its name again."""
    text = re.sub(r'"request_id":"[^"]*"', '"request_id":""', text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)
    identifier = "-".join(f"[0-9a-f]{{{length}}}" for length in (8, 4, 4, 4, 12))
    return re.sub(identifier, lambda found: names.setdefault(found[0], f"ID {len(names)}"), text)


page, mark, *replacements = sys.argv[1:]
text = pathlib.Path(page).read_text()
blocks = re.findall(rf"<!-- {re.escape(mark)} -->\n```console\n(.*?)```\n", text, re.DOTALL)
text = "\n".join(block.strip() for block in blocks)
for replacement in replacements:
    old, new = replacement.split("=")
    text = text.replace(old, new)
conversation = commands(text)
script = "".join(f"{command}\nprintf '{END}'\n" for command, _ in conversation)
ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
printed = ran.stdout.split(END)[:-1]
there, here = {}, {}
for (command, shown), got in zip(conversation, printed, strict=True):
    shown, got = shown.strip(), got.strip()
    if masked(shown, there) != masked(got, here):
        sys.exit(f"{page} shows another answer to\n{command}\nshown: {shown}\ngot:   {got}\n{ran.stderr}")
print(f"{page}: {len(conversation)} commands print what the page shows")
