"""Pages and code name each other: what is named must be there, and what a user can see must be on its page."""

import os
import re

# `src/room/file.c`, docs/page.md, tests/part/run; a folder ends in a slash.
NAMED = re.compile(r"(?<![\w./-])((?:src|docs|tests|deploy|proto)/[\w./-]*[\w/])")
LINK = re.compile(r"\]\(([^)#: ]+)(?:#[^)]*)?\)")
PLACEHOLDER = re.compile(r"/[A-Z]+(?=[/.]|$)")
EXAMPLE = "tests/tidy/"  # its tests name files that are nowhere

# What a user can see: where it stands in the code, how it is written there, its page.
VISIBLE = [
    ("metric", r"src/admin/metric_families\.c", r'"(quoin_\w+)"', "docs/metrics.md"),
    ("event", r"src/.*\.c", r'(?:manager|datapath)_event\(\s*[^,"]+,\s*"([a-z-]+)"', "docs/events.md"),
    ("command", r"src/cli/commands\.c", r'^\t\{ "([a-z -]+)",', "docs/cli.md"),
]


def read(root, name):
    with open(os.path.join(root, name), encoding="utf-8", errors="replace") as f:
        return f.read()


def dead_names(root, names):
    """In pages every file, in code the pages of docs/."""
    wrong = []
    for name in names:
        page = name.endswith(".md")
        if name.startswith(EXAMPLE) or not page and not name.endswith((".c", ".h", ".py", ".proto")):
            continue
        for number, line in enumerate(read(root, name).splitlines(), 1):
            targets = [t for t in NAMED.findall(line) if page or t.startswith("docs/")]
            if page:
                folder = os.path.dirname(name)
                targets += [os.path.normpath(os.path.join(folder, t)) for t in LINK.findall(line)]
            wrong += [(name, number, f"{target} is not there") for target in targets
                      if not PLACEHOLDER.search(target) and not os.path.exists(os.path.join(root, target))]
    return wrong


def stale_functions(root, names):
    """A row of ARCHITECTURE.md that names files and functions: each function must stand in one of these files."""
    page = "ARCHITECTURE.md"
    wrong = []
    for number, line in enumerate(read(root, page).splitlines() if page in names else [], 1):
        files = [f for f in re.findall(r"`(src/[\w/]+\.[ch])`", line) if os.path.exists(os.path.join(root, f))]
        functions = re.findall(r"`([a-z]\w*_\w+)`", line)
        if not line.startswith("|") or not files or not functions:
            continue
        text = "".join(read(root, f) for f in files)
        wrong += [(page, number, f"{function} is not in {', '.join(files)}") for function in functions
                  if not re.search(rf"\b{function}\b", text)]
    return wrong


def unexplained(root, names):
    wrong = []
    for what, where, pattern, page in VISIBLE:
        files = [n for n in names if re.fullmatch(where, n)]
        text = read(root, page) if files and os.path.exists(os.path.join(root, page)) else ""
        for name in files:
            for word in re.findall(pattern, read(root, name), re.MULTILINE):
                if not re.search(r"`[^`]*\b" + re.escape(word) + r"(?![\w-])", text):
                    wrong.append((name, 1, f"the {what} {word} has no words in {page}"))
    return wrong
