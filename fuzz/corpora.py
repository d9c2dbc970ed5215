#!/usr/bin/env python3
"""Moves the inputs of the fuzzers between corpora/, which git has, and corpus/, where cargo-fuzz works.

    fuzz/corpora.py unpack   # writes the archive and the regressions of each target into its folder in corpus/
    fuzz/corpora.py pack     # writes each folder in corpus/ into an archive, without the regressions
"""

import argparse
import base64
import hashlib
import pathlib
import sys

FUZZ = pathlib.Path(__file__).resolve().parent
TARGETS = sorted(path.stem for path in (FUZZ / "fuzz_targets").glob("*.rs"))


def archive(target):
    """Returns the path of an archive: each of its lines is an input in base64."""
    return FUZZ / "corpora" / f"{target}.base64"


def files(folder, target):
    """Returns the contents of the files of a target, or nothing if it has no such folder."""
    return {path.read_bytes() for path in (FUZZ / folder / target).glob("*")}


def unpack(target):
    """Adds to what the folder has already. A name is the SHA-1 of the content, as libFuzzer names files."""
    archived = {base64.b64decode(line) for line in archive(target).read_text().splitlines()}
    folder = FUZZ / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    for data in archived | files("regressions", target):
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def pack(target):
    """Sorts the inputs, so that the same folder gives the same archive."""
    inputs = files("corpus", target) - files("regressions", target)
    if not inputs:
        sys.exit(f"corpus/{target} has no inputs: `unpack` comes first")
    lines = [base64.b64encode(data).decode() for data in sorted(inputs, key=lambda data: (len(data), data))]
    archive(target).parent.mkdir(exist_ok=True)
    archive(target).write_text("\n".join(lines) + "\n", newline="\n")


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("action", choices=["pack", "unpack"])
action = {"pack": pack, "unpack": unpack}[parser.parse_args().action]
for target in TARGETS:
    action(target)
