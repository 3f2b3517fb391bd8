"""The runner itself: a failure anywhere must show in the counts and in the exit code."""

import json
import os
import shutil
import subprocess

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
PASSED = "[==========] Running 3 test(s).\n[==========] 3 test(s) run.\n[  PASSED  ] 3 test(s).\n"
FAILED = ("[==========] Running 3 test(s).\n[==========] 3 test(s) run.\n[  PASSED  ] 2 test(s).\n"
          "[  FAILED  ] 1 test(s), listed below:\n[  FAILED  ] some_test\n\n 1 FAILED TEST(S)\n")


def counts(kind, path):
    run = subprocess.run([os.path.join(HERE, "counts"), kind, str(path)], capture_output=True, text=True, check=True)
    return [int(n) for n in run.stdout.split()], run.stderr


def meson_log(tmp_path, *tests):
    path = tmp_path / "testlog.json"
    path.write_text("".join(json.dumps({"name": "t", "duration": 1.0, "result": result, "stdout": out}) + "\n"
                            for result, out in tests))
    return path


@pytest.mark.parametrize("result, output, expected", [
    ("OK", PASSED, [3, 0, 0]),
    ("FAIL", FAILED, [2, 1, 0]),
    ("OK", "no cmocka\n", [1, 0, 0]),
    ("FAIL", "no cmocka\n", [0, 1, 0]),
    ("TIMEOUT", "", [0, 1, 0]),
    ("SKIP", "", [0, 0, 1]),
    # All tests passed, and then a sanitizer found a leak.
    ("FAIL", PASSED + "ERROR: LeakSanitizer\n", [3, 1, 0]),
])
def test_the_tests_of_a_meson_run_are_counted(tmp_path, result, output, expected):
    got, _ = counts("meson", meson_log(tmp_path, (result, output)))
    assert got == expected


def test_counts_add_up_and_the_failing_test_is_shown(tmp_path):
    got, details = counts("meson", meson_log(tmp_path, ("OK", PASSED), ("FAIL", FAILED), ("OK", PASSED)))
    assert got == [8, 1, 0]
    assert "some_test" in details


def test_the_tests_of_a_pytest_run_are_counted(tmp_path):
    path = tmp_path / "junit.xml"
    path.write_text('<testsuites><testsuite><testcase classname="a" name="good"/>'
                    '<testcase classname="a" name="bad"><failure>assert 1 == 2</failure></testcase>'
                    '<testcase classname="a" name="broken"><error>no fixture</error></testcase>'
                    '<testcase classname="a" name="left_out"><skipped message="no docker"/></testcase>'
                    '</testsuite></testsuites>')
    got, details = counts("junit", path)
    assert got == [1, 2, 1]
    assert "assert 1 == 2" in details
    assert "no docker" in details


@pytest.fixture
def house(tmp_path):
    """A small repository with the real runner, whose parts are what the test says."""
    def run(parts_sh, *arguments):
        shutil.copytree(HERE, tmp_path / "tests/runner", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(os.path.join(HERE, "../run"), tmp_path / "tests/run")
        (tmp_path / "deploy").mkdir()
        (tmp_path / "deploy/install-deps").write_text("#!/bin/sh\n")
        (tmp_path / "deploy/install-deps").chmod(0o755)
        (tmp_path / "tests/runner/parts.sh").write_text(parts_sh)
        done = subprocess.run([tmp_path / "tests/run", *arguments], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=30)
        return done.returncode, done.stdout, done.stderr
    return run


def test_all_green_ends_in_one_line_and_zero(house):
    code, out, _ = house("every_part=(one two late)\nby_name_only=' late '\npart_one() { add 2 0 0; }\n"
                         "part_two() { check 'true is true' true; }\npart_late() { add 100 0 0; }\n")
    assert code == 0
    assert out.splitlines()[-1] == "3 passed, 0 failed"


def test_a_failure_shows_its_output_and_ends_in_non_zero(house):
    code, out, _ = house("every_part=(one two)\nby_name_only=''\n"
                         "part_one() { check 'a thing' sh -c 'echo what went wrong; exit 1'; add 1 0 1; }\n"
                         "part_two() { add 1 0 0; }\n")
    assert code != 0
    assert "what went wrong" in out
    assert out.splitlines()[-1] == "2 passed, 1 failed, 1 skipped"


def test_a_part_in_which_nothing_ran_is_a_failure(house):
    code, out, _ = house("every_part=(one)\nby_name_only=''\npart_one() { true; }\n")
    assert code != 0
    assert out.splitlines()[-1] == "0 passed, 1 failed"


def test_a_part_that_is_not_there_yet_is_neither_run_nor_listed(house):
    parts = ("every_part=(one two)\nby_name_only=''\nhas_two() { false; }\npart_one() { add 1 0 0; }\n"
             "part_two() { add 0 1 0; }\n")
    code, out, _ = house(parts)
    assert code == 0
    assert "two" not in out


def test_an_unknown_part_is_a_usage_error_that_names_the_parts(house):
    code, out, err = house("every_part=(one)\nby_name_only=''\npart_one() { add 1 0 0; }\n", "three")
    assert code == 2
    assert "there are: one" in err
    assert out == ""


def test_a_runner_of_its_own_that_dies_or_says_nothing_is_a_failure(house):
    code, out, _ = house(
        "every_part=(a b c d)\nby_name_only=''\n"
        "mkdir -p x; for n in a b c d; do echo '#!/bin/sh' >x/$n; chmod +x x/$n; done\n"
        "echo 'echo 4 passed, 0 failed, 1 skipped' >>x/a\n"
        "echo 'echo 4 passed, 0 failed; exit 3' >>x/b\n"
        "echo 'echo all is well' >>x/c\n"
        "echo 'echo 2 passed, 2 failed; exit 1' >>x/d\n"
        + "".join(f"part_{n}() {{ own_runner x/{n}; }}\n" for n in "abcd"))
    assert code != 0
    assert out.splitlines()[-1] == "10 passed, 4 failed, 1 skipped"
