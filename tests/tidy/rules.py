"""Our rules that are not about arrows. Each gives violations, as (file, line, words)."""

import os
import re
import subprocess

MAX_FILE_LINES = 600
WARN_FILE_LINES = 400
MAX_FUNCTION_LINES = 70
MAX_LINE_COLUMNS = 110
ASSERTED_ROOMS = ("replication", "store")

BANNED = {
    "strcpy": "snprintf", "strcat": "snprintf", "sprintf": "snprintf", "vsprintf": "vsnprintf",
    "gets": "fgets", "strtok": "strcspn, or a cursor", "atoi": "strtoul with its end checked",
    "system": "a child process with an argument list", "popen": "a child process with an argument list",
    "alloca": "a bounded array or the heap",
}
BANNED_CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
SILENCED_VLA = re.compile(r'diagnostic\s+ignored\s+"-Wvla|-Wno-vla')

# Paths of one machine don't belong into what others read. (Written so that this file does not match itself.)
FORBIDDEN = [
    (re.compile(r"(?<![\w.)}/])/wor[k]/"), "a path of one machine"),
    (re.compile(r"/tmp/[w]/"), "a path of one machine"),
    (re.compile(r"(?<![\w.])/hom[e]/[a-z]"), "a path in somebody's home"),
]
BINARY_SUFFIXES = (".png", ".svg", ".gz", ".bin", ".img", ".zst")


def banned_functions(sources):
    wrong = []
    for source in sources:
        for number, code in enumerate(source.code_lines, 1):
            for match in BANNED_CALL.finditer(code):
                name = match.group(1)
                wrong.append((source.name, number, f"{name}() is banned; use {BANNED[name]}"))
        for number, line in enumerate(source.lines, 1):
            if SILENCED_VLA.search(line):
                wrong.append((source.name, number, "the warning about variable-length arrays stays on"))
    return wrong


def file_sizes(sources):
    return [(s.name, len(s.lines), f"{len(s.lines)} lines; more than {MAX_FILE_LINES} are two subjects")
            for s in sources if len(s.lines) > MAX_FILE_LINES]


def line_widths(sources):
    wrong = []
    for source in sources:
        for number, line in enumerate(source.lines, 1):
            columns = len(line.expandtabs(8))
            if columns > MAX_LINE_COLUMNS:
                wrong.append((source.name, number, f"{columns} columns; {MAX_LINE_COLUMNS} is the limit"))
    return wrong


def long_functions(sources):
    """{file:function: lines} of the functions of src that need more than a screen."""
    return {f"{source.name}:{name}": lines for source in sources if source.name.startswith("src/")
            for name, _, lines in source.functions() if lines > MAX_FUNCTION_LINES}


def function_lengths(sources, ceilings):
    """Nothing old need be perfect, nothing new may be worse."""
    allowed = ceilings["functions_over_70_lines"]
    wrong = []
    for key, lines in sorted(long_functions(sources).items()):
        if lines > allowed.get(key, MAX_FUNCTION_LINES):
            name, _, function = key.rpartition(":")
            wrong.append((name, 1, f"{function}() has {lines} lines; "
                          f"{allowed.get(key, MAX_FUNCTION_LINES)} is its limit"))
    return wrong


def large_files(sources, ceilings):
    allowed = ceilings["files_over_400_lines"]
    return [(s.name, len(s.lines), f"{len(s.lines)} lines; {allowed.get(s.name, WARN_FILE_LINES)} is its limit")
            for s in sources if s.name.startswith("src/")
            and len(s.lines) > allowed.get(s.name, WARN_FILE_LINES)]


def assertion_density(sources, room):
    """(assertions, lines of code) of a room; None where it has no code yet."""
    files = [s for s in sources if s.name.startswith(f"src/{room}/") and s.name.endswith(".c")]
    asserts = sum(len(re.findall(r"\bASSERT(?:_EXPENSIVE)?\s*\(", line)) for s in files for line in s.code_lines)
    lines = sum(1 for s in files for line in s.code_lines if line.strip())
    return (asserts, lines) if lines else None


def assertions(sources, ceilings):
    wrong = []
    for room in ASSERTED_ROOMS:
        density = assertion_density(sources, room)
        least = ceilings["assertions_per_1000_lines"].get(room, 0)
        if density and density[0] * 1000 < least * density[1]:
            wrong.append((f"src/{room}", 1, f"{density[0] * 1000 / density[1]:.0f} assertions per 1,000 lines; "
                          f"{least} are the least"))
    return wrong


def forbidden_words(root, names):
    wrong = []
    for name in names:
        if name.endswith(BINARY_SUFFIXES):
            continue
        with open(os.path.join(root, name), encoding="utf-8", errors="replace") as f:
            for number, line in enumerate(f, 1):
                wrong += [(name, number, f"{what}: {pattern.search(line).group()}")
                          for pattern, what in FORBIDDEN if pattern.search(line)]
    return wrong


def is_shell(root, name):
    """Has the shell's first line. Files that are only sourced are followed from those."""
    with open(os.path.join(root, name), "rb") as f:
        return re.match(rb"#!\s*(/usr)?/bin/(env )?(ba|da)?sh\b", f.readline(80)) is not None


def shell_scripts(root, names):
    """shellcheck's warnings and errors, of all scripts of the shell."""
    scripts = [name for name in names if is_shell(root, name)]
    if not scripts:
        return []
    try:
        run = subprocess.run(["shellcheck", "-x", "-S", "warning", "-e", "SC2034", "-f", "gcc"] + scripts, cwd=root,
                             capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return [(scripts[0], 1, "shellcheck is not installed; deploy/install-deps brings it")]
    wrong = []
    for line in run.stdout.splitlines():
        match = re.match(r"(.+?):(\d+):\d+: (.*)", line)
        if match:
            wrong.append((match.group(1), int(match.group(2)), match.group(3)))
    return wrong


def formatted(root, sources):
    """clang-format's opinion, four processes at a time; its absence is a violation, not a pass."""
    names = [s.name for s in sources]
    if not names:
        return []
    try:
        chunks = [names[i::4] for i in range(4) if names[i::4]]
        runs = [subprocess.Popen(["clang-format", "--dry-run", "-Werror", "--ferror-limit=1"] + chunk,
                                 cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                for chunk in chunks]
    except FileNotFoundError:
        return [(".clang-format", 1, "clang-format is not installed; deploy/install-deps brings it")]
    wrong = []
    for run in runs:
        for line in run.communicate()[1].splitlines():
            match = re.match(r"(.+?):(\d+):\d+: error:", line)
            if match:
                wrong.append((match.group(1), int(match.group(2)), "clang-format would change this"))
    return wrong
