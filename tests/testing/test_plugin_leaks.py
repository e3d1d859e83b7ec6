"""The pytest plugin's check for leaks, in a pytest of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testing.pytest_runs import Run, run_pytest

CODE = (Path(__file__).parent / "leaky_tests.py").read_text()


def lines_of(part: str) -> tuple[int, ...]:
    """The numbers of the lines of the leaky tests in which *part* stands."""
    return tuple(n for n, line in enumerate(CODE.splitlines(), 1) if part in line)


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_pytest(tmp_path_factory.mktemp("checked"), CODE, "--hesper-no-leaks")


TASK_OF_A_HANDLER = """\
a task running sleep
    test_it.py:N: in test_task_of_a_handler
      client.get("/starts-a-task")
    test_it.py:N: in starts_a_task
      HELD.append(asyncio.create_task(asyncio.sleep(1000)))"""

LEFT = {
    "test_lifespan": ["a lifespan of <application>\n    test_it.py:N: in test_lifespan"],
    "test_dropped_lifespan": ["a lifespan of <application>\n"],
    "test_task": ["a task running test_task.<locals>.ticking\n"],
    "test_task_of_a_task_group": [
        "a task running test_task_of_a_task_group.<locals>.ringing\n    test_it.py:N:"
    ],
    "test_response": ["a response to GET /endless\n"],
    "test_response_of_a_sync_client": [
        "a response to GET /endless\n    test_it.py:N: in test_response_of_a_sync_client",
        "a thread of a response\n    test_it.py:N: in test_response_of_a_sync_client",
    ],
    "test_websocket": ["a websocket to /echo\n    test_it.py:N: in test_websocket"],
    "test_client": ["a lifespan of <application>, which a client runs\n"],
    "test_sync_client": [
        "a lifespan of <application>, which a client runs\n    test_it.py:N: in test_sync_client"
    ],
    "test_server": ["a server at http://127.0.0.1:"],
    "test_task_of_a_handler": [TASK_OF_A_HANDLER],
    "test_task_of_a_handler_on_uvloop": ["a task running sleep\n"],
    "test_loop_local_resource": [
        "a loop-local resource test_it.resource\n",
        "a loop-local callback builtins.print\n",
    ],
    "test_task_of_a_loop_that_is_never_closed": ["a task running sleep\n"],
    "test_client_of_a_fixture": [
        "a lifespan of <application>, which a client runs\n    test_it.py:N: in client\n"
    ],
}


@pytest.mark.parametrize("test", LEFT)
def test_what_is_left_is_reported_with_where_it_was_opened(checked: Run, test: str) -> None:
    report = checked.report(f"ERROR at teardown of {test}")
    assert f"{test} left " in report
    for text in LEFT[test]:
        assert text in re.sub(r"(?<=test_it\.py):\d+", ":N", report)
    entries = re.findall(r"^  a .*", report, re.MULTILINE)
    assert len(entries) == len(LEFT[test])


def test_the_line_is_the_one_that_opened_it(checked: Run) -> None:
    report = checked.report("ERROR at teardown of test_lifespan")
    start = int(re.findall(r"test_it\.py:(\d+)", report)[0])
    assert start in lines_of("await HELD[-1].start()")


def test_nothing_else_is_reported(checked: Run) -> None:
    names = re.findall(r"^ERROR test_it\.py::(\w+)", checked.output, re.MULTILINE)
    assert sorted(names) == sorted(LEFT)
    assert re.search(r"\d+ passed, 15 errors", checked.output)
    assert checked.status == 1


def test_without_the_check_all_tests_pass(tmp_path: Path) -> None:
    run = run_pytest(tmp_path, CODE, "-k", "not dropped")
    assert run.status == 0, run.output


TWO = """
import pytest
from hesper import Hesper
from hesper.testing import TestClient

@pytest.mark.hesper_no_leaks
def test_marked():
    TestClient(Hesper()).__enter__()

def test_unmarked():
    TestClient(Hesper()).__enter__()

@pytest.mark.hesper_no_leaks(enabled=False)
def test_left_out():
    TestClient(Hesper()).__enter__()
"""


def errors_of(run: Run) -> list[str]:
    return re.findall(r"^ERROR test_it\.py::(\w+)", run.output, re.MULTILINE)


def test_a_mark_checks_one_test(tmp_path: Path) -> None:
    assert errors_of(run_pytest(tmp_path, TWO)) == ["test_marked"]


@pytest.mark.parametrize(
    ("arguments", "ini"), [(["--hesper-no-leaks"], ""), ([], "hesper_no_leaks = true")]
)
def test_an_option_and_a_setting_check_all_tests_but_those_that_are_left_out(
    tmp_path: Path, arguments: list[str], ini: str
) -> None:
    run = run_pytest(tmp_path, TWO, *arguments, ini=ini)
    assert errors_of(run) == ["test_marked", "test_unmarked"]


def test_it_works_on_several_processes(tmp_path: Path) -> None:
    run = run_pytest(tmp_path, TWO, "-n", "2", "--hesper-no-leaks")
    assert sorted(errors_of(run)) == ["test_marked", "test_unmarked"]
    assert "a lifespan of <application>, which a client runs" in run.output


def test_a_test_that_fails_in_its_teardown_says_what_it_left_as_well(tmp_path: Path) -> None:
    run = run_pytest(
        tmp_path,
        """
        import pytest
        from hesper import Hesper
        from hesper.testing import TestClient

        @pytest.fixture
        def failing():
            yield
            raise KeyError("lost")

        @pytest.mark.hesper_no_leaks
        def test_both(failing):
            TestClient(Hesper()).__enter__()
        """,
    )
    report = run.report("ERROR at teardown of test_both")
    assert "KeyError: 'lost'" in report
    assert "test_both left one thing open" in report


def test_what_was_opened_several_times_in_one_place_is_counted(tmp_path: Path) -> None:
    run = run_pytest(
        tmp_path,
        """
        import asyncio
        import pytest

        @pytest.mark.asyncio
        @pytest.mark.hesper_no_leaks
        async def test_many():
            held = [asyncio.create_task(asyncio.sleep(1000)) for _ in range(1500)]
        """,
    )
    report = run.report("ERROR at teardown of test_many")
    assert "test_many left 1500 things open:\n\n  a task running sleep (1500 times)\n" in report


def test_a_program_that_is_interrupted_is_cleaned_up_as_ever(tmp_path: Path) -> None:
    run = run_pytest(
        tmp_path,
        """
        import asyncio
        import pytest

        @pytest.mark.hesper_no_leaks
        def test_interrupt():
            ended = []

            async def work():
                try:
                    await asyncio.sleep(1000)
                finally:
                    ended.append("work")

            async def main():
                task = asyncio.create_task(work())
                await asyncio.sleep(0)
                raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                asyncio.run(main())
            assert ended == ["work"]
        """,
    )
    assert "1 passed" in run.output, run.output


def test_tasks_are_found_under_pytest_asyncio(tmp_path: Path) -> None:
    run = run_pytest(
        tmp_path,
        """
        import asyncio
        import pytest

        HELD = []

        def hold():
            HELD.append(asyncio.create_task(asyncio.sleep(1000)))

        @pytest.mark.asyncio
        async def test_on_its_own_loop():
            hold()

        @pytest.mark.asyncio(loop_scope="session")
        async def test_on_the_loop_of_the_session():
            hold()

        @pytest.mark.asyncio(loop_scope="session")
        async def test_fine():
            await asyncio.sleep(0)
        """,
        "--hesper-no-leaks",
    )
    assert errors_of(run) == ["test_on_its_own_loop", "test_on_the_loop_of_the_session"]
    assert "HELD.append(asyncio.create_task(asyncio.sleep(1000)))" in run.output


def test_the_plugin_loads_nothing_of_the_framework() -> None:
    code = """
import sys, hesper.testing.plugin
loaded = {name for name in sys.modules if name.partition(".")[0] in {"hesper", "httpx2", "msgspec"}}
assert loaded == {"hesper", "hesper._lazy", "hesper.testing", "hesper.testing.plugin"}, loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True)
