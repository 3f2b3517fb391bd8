"""The files that the rules look at, and C as the rules want to see it: without comments and strings."""

import os
import re
import subprocess

SKIPPED_FOLDERS = {".git", "__pycache__", ".pytest_cache"}


def is_skipped(folder):
    return folder in SKIPPED_FOLDERS or folder.startswith("build")


def tracked(root):
    """What git knows below `root`, or, where there is no git, all there is but builds."""
    if os.path.isdir(os.path.join(root, ".git")) or os.path.isfile(os.path.join(root, ".git")):
        try:
            # Files that are not yet added are looked at too: better told before the commit than after.
            out = subprocess.run(
                ["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-co", "--exclude-standard", "-z"],
                check=True, capture_output=True).stdout
            names = sorted(set(name for name in out.decode().split("\0") if name))
            return [name for name in names if os.path.isfile(os.path.join(root, name))]
        except (OSError, subprocess.CalledProcessError):
            pass
    found = []
    for folder, below, names in os.walk(root):
        below[:] = [b for b in below if not is_skipped(b)]
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return sorted(found)


def blank(text):
    """Spaces instead of everything but line ends, so that lines and columns stay where they are."""
    return re.sub(r"[^\n]", " ", text)


TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<string>"(?:\\.|[^"\\\n])*")|(?P<char>'(?:\\.|[^'\\\n])+')""",
    re.DOTALL)


def code_only(text):
    """C without comments and without what stands inside strings."""
    def replace(match):
        if match.group("comment"):
            return blank(match.group())
        quote = match.group()[0]
        return quote + blank(match.group()[1:-1]) + quote
    return TOKEN.sub(replace, text)


class Source:
    """One file of C."""

    def __init__(self, root, name):
        self.name = name
        with open(os.path.join(root, name), encoding="utf-8", errors="replace") as f:
            self.text = f.read()
        self.lines = self.text.splitlines()
        self.code_lines = code_only(self.text).splitlines()

    def includes(self):
        """(line, path) of each #include "path"; comments are skipped."""
        found = []
        for number, (line, code) in enumerate(zip(self.lines, self.code_lines), 1):
            if re.match(r"\s*#\s*include\s", code):
                match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
                if match:
                    found.append((number, match.group(1)))
        return found

    def functions(self):
        """(name, first line, lines between the braces). Our format puts both braces into column 0."""
        found = []
        start = None
        for number, line in enumerate(self.code_lines, 1):
            if line.rstrip() == "{":
                start = number
            elif line.rstrip() == "}" and start is not None:
                found.append((self.function_name(start), start, number - start - 1))
                start = None
        return found

    def function_name(self, brace_line):
        """The name in the lines above an opening brace: what stands before the first parenthesis."""
        first = brace_line - 1
        while first > 0 and not re.match(r"^[A-Za-z_]", self.code_lines[first - 1]):
            first -= 1
        head = " ".join(self.code_lines[max(first - 1, 0):brace_line - 1])
        head = re.sub(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)", " ", head)
        match = re.search(r"([A-Za-z_]\w*)\s*\(", head)
        return match.group(1) if match else "?"


def load(root):
    return [Source(root, name) for name in tracked(root)
            if name.endswith((".c", ".h")) and name.startswith(("src/", "tests/"))]
