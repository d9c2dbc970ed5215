#!/usr/bin/env python3
"""Measures the costs of builds, compared with an older commit: processor seconds (user and system) from
clean folders, both commits in turn on the same machine. Writes the rows of the measured parts into
bench/src/builds.md and docs/benchmarks.md.

    bench/builds.py [--base COMMIT] [--folder FOLDER] [run test edit release ci]

Dependencies are downloaded first. `release` needs cargo-lambda on the PATH; `ci` needs the tools and
ports of .ci/run. All parts together take about two and a half hours on a machine with two cores.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
# The commit of 2026-11-27 before builds became cheaper.
BASE = "ce04eb1"
PAGES = ["bench/src/builds.md", "docs/benchmarks.md"]
LIMITS = {"run": 0.60, "test": 0.65, "edit": 0.60, "release": 0.65, "ci": 0.70}
NAMES = {
    "run": "`cargo run` from a fresh clone until it listens",
    "test": "`cargo test --workspace` from a fresh clone",
    "edit": "the same again after a change of one line in `shared`",
    "release": "release build of every function, as SAM builds them",
    "ci": "`.ci/run` on a clean clone, in elapsed time",
}


def spent(command, folder, until=None):
    """Returns the processor seconds of a command and its children, and the elapsed seconds."""
    began = time.monotonic()
    with open(folder / "target" / "builds.log", "w") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
        if until:
            until(process)
            os.killpg(process.pid, signal.SIGINT)
        _, status, usage = os.wait4(process.pid, 0)
    if status and not until:
        raise SystemExit(f"{command} failed in {folder}: see target/builds.log there")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - began


def clean(folder):
    shutil.rmtree(folder / "target", ignore_errors=True)
    (folder / "target").mkdir()


def run(folder):
    clean(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def listens(process):
        while socket.socket().connect_ex(("127.0.0.1", port)):
            if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                raise SystemExit(f"cargo run ended in {folder}: see target/builds.log there")
            time.sleep(0.5)

    flags = ["--ephemeral", "--dynamodb-port", "0", "--port", str(port)]
    return spent(["cargo", "run", "--locked", "--", *flags], folder, listens)[0]


def test(folder):
    clean(folder)
    return spent(["cargo", "test", "--workspace", "--locked"], folder)[0]


def edit(folder):
    """Runs after `test`, whose build is still there."""
    with open(folder / "shared/src/lib.rs", "a") as file:
        file.write("/// A line more.\npub const ONE_LINE_MORE: u8 = 1;\n")
    seconds = spent(["cargo", "test", "--workspace", "--locked"], folder)[0]
    subprocess.run(["git", "checkout", "--quiet", "."], cwd=folder, check=True)
    return seconds


def release(folder):
    clean(folder)
    template = (folder / "template.yaml").read_text()
    total = 0
    for function in re.findall(r"Binary: (\w+)", template):
        build = ["cargo", "lambda", "build", "--release", "--bin", function]
        moved = ["sh", "-c", 'cd "functions/$1" && shift && exec "$@"', "sh", function, *build]
        total += spent(moved, folder)[0]
    return total


def ci(folder):
    clean(folder)
    return spent([".ci/run"], folder)[1]


def write(part, before, after):
    ratio = after / before
    verdict = "" if ratio <= LIMITS[part] else ", **missed**"
    line = (
        f"| {NAMES[part]} | {before:.0f} s | {after:.0f} s | {ratio:.2f} "
        f"| up to {LIMITS[part]:.2f}{verdict} |"
    )
    print(line, flush=True)
    for page in PAGES:
        page = ROOT / page
        text = page.read_text()
        changed, found = re.subn(
            rf"^\| {re.escape(NAMES[part])} \|.*$", lambda _: line, text, flags=re.M
        )
        if not found:
            raise SystemExit(f"{page} has no line for {part}")
        page.write_text(changed)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--base", default=BASE)
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "target" / "builds")
    parser.add_argument("parts", nargs="*", default=list(NAMES))
    flags = parser.parse_args()
    commits = {"before": flags.base, "after": "HEAD"}
    for name, commit in commits.items():
        folder = flags.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
        commit = subprocess.check_output(["git", "rev-parse", commit], cwd=ROOT, text=True).strip()
        subprocess.run(["git", "checkout", "--quiet", commit], cwd=folder, check=True)
        subprocess.run(["cargo", "fetch", "--quiet", "--locked"], cwd=folder, check=True)
    for part in flags.parts:
        before, after = (globals()[part](flags.folder / name) for name in commits)
        write(part, before, after)


main()
