"""tidy itself: each rule refuses what it is there to refuse, and lets pass what is right."""

import json
import os
import shutil
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import arrows  # noqa: E402
import documents  # noqa: E402
import rules  # noqa: E402
import sources  # noqa: E402

CEILINGS = {"functions_over_70_lines": {}, "files_over_400_lines": {}, "assertions_per_1000_lines": {}}


@pytest.fixture
def tree(tmp_path):
    """A tree in which files can be written by name: tree("src/net/tcp.c", text)."""
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return sources.load(str(tmp_path))
    write.root = str(tmp_path)
    return write


def words(violations):
    return [text for _, _, text in violations]


@pytest.mark.parametrize("name, header, complaint", [
    ("src/base/error.c", "store/store.h", "points the wrong way"),
    ("src/store/pool.c", "datapath/datapath.h", "points the wrong way"),
    ("src/replication/coordinator.c", "loop/loop.h", "points the wrong way"),
    ("src/replication/coordinator.c", "store/store.h", "points the wrong way"),
    ("src/net/tcp.c", "store/store.h", "points the wrong way"),
    ("src/cli/main.c", "kvdb/kvdb.h", "points the wrong way"),
    ("src/cli/main.c", "store/store.h", "points the wrong way"),
    ("src/admin/metrics.c", "datapath/datapath.h", "points the wrong way"),
    ("src/volumes/manager.c", "plugin/plugin.h", "points the wrong way"),
    ("src/fingerprint/measure.c", "store/store.h", "points the wrong way"),
    ("src/placement/choose.c", "fingerprint/fingerprint.h", "points the wrong way"),
    ("src/datapath/volume.c", "store/journal.h", "is private to store"),
    ("src/volumes/manager.c", "datapath/private.h", "is private to datapath"),
    ("src/store/pool.c", "pool.h", "write it with its room"),
    ("src/store/pool.c", "store/journal.c", "nobody includes a .c file"),
    ("src/store/pool.c", "stuff/thing.h", "is no room"),
    ("src/stuff/thing.c", "base/base.h", "is no room"),
    ("tests/unit/store/pool_test.c", "store/pool.c", "nobody includes a .c file"),
    ("tests/unit/store/pool_test.c", "net/frame_parser.h", "this is a test of store"),
])
def test_a_wrong_include_is_refused(tree, name, header, complaint):
    found = words(arrows.check(tree(name, f'#include "{header}"\n')))
    assert len(found) == 1
    assert complaint in found[0]


@pytest.mark.parametrize("name, header", [
    ("src/store/pool.c", "store/journal.h"),
    ("src/store/pool.c", "base/entry.h"),
    ("src/datapath/volume.c", "store/device.h"),
    ("src/datapath/volume.c", "wire.pb-c.h"),
    ("src/volumes/manager.c", "datapath/dataplane.h"),
    ("src/agent/main.c", "volumes/config.h"),
    ("tests/unit/store/pool_test.c", "store/journal.h"),
    ("tests/unit/store/pool_test.c", "fixture.h"),
    ("tests/sim/world.c", "store/store.h"),
])
def test_a_right_include_passes(tree, name, header):
    assert arrows.check(tree(name, f'#include "{header}"\n#include <stdio.h>\n')) == []


def test_an_include_in_a_comment_is_none(tree):
    assert arrows.check(tree("src/base/a.c", '/*\n#include "store/store.h"\n*/\n// #include "net/net.h"\n')) == []


def test_a_cycle_in_the_table_of_rooms_is_found(monkeypatch):
    assert not arrows.is_cyclic()
    monkeypatch.setitem(arrows.ROOMS, "base", {"agent"})
    assert arrows.is_cyclic()


@pytest.mark.parametrize("code", [
    "\tstrcpy(a, b);", "\tstrcat (a, b);", "\tn = sprintf(a, \"x\");", "\tx = strtok(s, \",\");", "\tgets(a);",
    "\tn = atoi(s);", "\tsystem(\"ls\");", "\tf = popen(\"ls\", \"r\");", "\tp = alloca(9);",
])
def test_a_banned_function_is_refused(tree, code):
    assert len(rules.banned_functions(tree("src/base/a.c", f"void f(void)\n{{\n{code}\n}}\n"))) == 1


@pytest.mark.parametrize("code", [
    "\tsnprintf(a, 9, \"sprintf(\");", "\tclock_system();", "\t/* never strcpy() */", "\tops->system(ops);",
    "\trandom_init_system(&r);",
])
def test_what_only_looks_like_a_banned_function_passes(tree, code):
    assert rules.banned_functions(tree("src/base/a.c", f"void f(void)\n{{\n{code}\n}}\n")) == []


def test_silencing_the_warning_about_variable_length_arrays_is_refused(tree):
    text = '#pragma GCC diagnostic ignored "-Wvla"\n'
    assert len(rules.banned_functions(tree("src/base/a.c", text))) == 1


def function(name, lines):
    return f"static int {name}(\n\tint a, int (*b)(void))\n{{\n" + "\ta++;\n" * lines + "}\n"


def test_a_function_over_70_lines_is_refused_unless_it_was_there_before(tree):
    files = tree("src/net/a.c", function("small", 70) + "\n" + function("large", 71))
    found = rules.function_lengths(files, CEILINGS)
    assert len(found) == 1
    assert "large() has 71 lines" in found[0][2]
    known = dict(CEILINGS, functions_over_70_lines={"src/net/a.c:large": 71})
    assert rules.function_lengths(files, known) == []
    known = dict(CEILINGS, functions_over_70_lines={"src/net/a.c:large": 70})
    assert len(rules.function_lengths(files, known)) == 1


def test_functions_are_named_though_attributes_stand_before_them(tree):
    files = tree("src/net/a.c", '__attribute__((target("sse4.2"))) static int f(int a)\n{\n\treturn a;\n}\n\n'
                 "struct x {\n\tint a;\n};\n\nvoid\ng(void)\n{\n}\n")
    assert files[0].functions() == [("f", 2, 1), ("g", 12, 0)]


def test_a_file_over_600_lines_is_refused_and_over_400_not_without_leave(tree):
    files = tree("src/net/a.c", "int a;\n" * 601)
    files = tree("src/net/b.c", "int b;\n" * 400)
    assert [name for name, _, _ in rules.file_sizes(files)] == ["src/net/a.c"]
    assert [name for name, _, _ in rules.large_files(files, CEILINGS)] == ["src/net/a.c"]
    known = dict(CEILINGS, files_over_400_lines={"src/net/a.c": 601})
    assert rules.large_files(files, known) == []


def test_a_line_over_110_columns_is_refused_a_tab_counting_eight(tree):
    files = tree("src/net/a.c", "\t" + "x" * 102 + "\n\t" + "x" * 103 + "\n")
    assert [line for _, line, _ in rules.line_widths(files)] == [2]


def test_too_few_assertions_are_refused(tree):
    files = tree("src/store/a.c", "void f(void)\n{\n\tASSERT(1);\n\t/* ASSERT(2) */\n" + "\ta();\n" * 96 + "}\n")
    assert rules.assertion_density(files, "store") == (1, 100)
    assert rules.assertions(files, dict(CEILINGS, assertions_per_1000_lines={"store": 10})) == []
    assert len(rules.assertions(files, dict(CEILINGS, assertions_per_1000_lines={"store": 11}))) == 1


@pytest.mark.parametrize("text", ["see /wor" + "k/main", "cd /tmp/" + "w/land", "/hom" + "e/somebody/x"])
def test_a_path_of_one_machine_is_refused(tree, text):
    tree("docs/a.md", f"first\n{text}\n")
    assert [line for _, line, _ in rules.forbidden_words(tree.root, ["docs/a.md"])] == [2]


def test_paths_of_the_product_pass(tree):
    tree("docs/a.md", "/var/lib/quoin/mnt/v /run/quoin/admin.sock build/work/x /tmp/where\n")
    assert rules.forbidden_words(tree.root, ["docs/a.md"]) == []


def test_a_page_or_file_that_is_not_there_is_told(tree):
    tree("src/net/a.c", "/* docs/gone.md tells why, docs/a.md more */\n")
    tree("docs/a.md", "[here](b.md), `src/net/a.c`, [gone](c.md), `src/net/gone.c`\n")
    tree("docs/b.md", "https://example.org/src/x, build/src/net/x\n")
    names = ["src/net/a.c", "docs/a.md", "docs/b.md"]
    assert words(documents.dead_names(tree.root, names)) == [
        "docs/gone.md is not there", "src/net/gone.c is not there", "docs/c.md is not there"]


def test_a_function_that_has_moved_is_told(tree):
    tree("src/net/a.c", "void frame_send(void);\n")
    tree("ARCHITECTURE.md", "| a | `src/net/a.c` | `frame_send`, `frame_sent` |\n")
    found = documents.stale_functions(tree.root, ["ARCHITECTURE.md", "src/net/a.c"])
    assert words(found) == ["frame_sent is not in src/net/a.c"]


def test_a_metric_an_event_and_a_command_need_their_words(tree):
    tree("src/admin/metric_families.c", 'GAUGE(A, "quoin_a", "x")\nGAUGE(B, "quoin_b", "x")\n')
    tree("src/net/a.c", 'manager_event(volumes,\n\t\t"a-b", name, "x");\n')
    tree("src/cli/commands.c", '\t{ "volume rm", "NAME" },\n')
    tree("docs/metrics.md", "`quoin_a`\n")
    tree("docs/cli.md", "`volume rm NAME`\n")
    names = ["src/admin/metric_families.c", "src/net/a.c", "src/cli/commands.c"]
    assert [text.split()[2] for text in words(documents.unexplained(tree.root, names))] == ["quoin_b", "a-b"]


@pytest.mark.skipif(not shutil.which("clang-format"), reason="clang-format is not installed")
def test_a_badly_formatted_file_is_refused(tree):
    shutil.copy(os.path.join(HERE, "../../.clang-format"), tree.root)
    files = tree("src/net/a.c", "int f(void)\n{\n\treturn 1;\n}\n")
    assert rules.formatted(tree.root, files) == []
    files = tree("src/net/b.c", "int f(void) {\n  return 1; }\n")
    assert {name for name, _, _ in rules.formatted(tree.root, files)} == {"src/net/b.c"}


def test_a_missing_clang_format_is_a_violation(tree, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert len(rules.formatted(tree.root, tree("src/net/a.c", "int a;\n"))) == 1


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_a_script_with_a_mistake_is_refused(tree):
    tree("deploy/good", "#!/bin/bash\necho \"$HOME\"\n")
    tree("deploy/bad", "#!/bin/bash\ncd /nowhere\nlocal x=1\n")
    tree("deploy/page.md", "cd /nowhere\n")
    found = rules.shell_scripts(tree.root, ["deploy/good", "deploy/bad", "deploy/page.md"])
    assert {name for name, _, _ in found} == {"deploy/bad"}


def test_the_whole_run_fails_on_a_wrong_include_and_names_its_line(tree):
    tree("tests/tidy/ceilings.json", json.dumps(CEILINGS))
    shutil.copy(os.path.join(HERE, "../../.clang-format"), tree.root)
    command = [sys.executable, os.path.join(HERE, "tidy"), "--root", tree.root]
    tree("src/base/a.c", '#include "base/base.h"\n')
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0
    assert run.stdout.splitlines()[-1] == "13 passed, 0 failed"
    tree("src/base/a.c", '#include "base/base.h"\n#include "store/store.h"\n')
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "src/base/a.c:2: includes store/store.h" in run.stdout
    assert run.stdout.splitlines()[-1] == "12 passed, 1 failed"
