"""What is attacked, and the test that holds it: thirteen anchors, after the OWASP list for language models (2025).

Each names its tests; those that stand in no other file are here. ``SECURITY.md`` says the same for people.
"""

import ast
import json
import pickle
import re
import time
from functools import cache
from pathlib import Path

import ipywidgets
import numpy as np
import pytest
from fakes import FakeModel
from fakes_browser import StandIn

import imkit
from imkit.notebook.codec import Frame, Kind, encode, json_frame, pcm16
from imkit.notebook.live import LiveSession
from imkit.probe.files import load_cache
from imkit.recordings import open_recording
from imkit.stream import ImkitError, ModelError

ROOT = Path(__file__).parents[1]
HERE = "tests/test_security_list.py"

ANCHORS = {
    "1 generated UI is data": (
        "tests/surfaces/test_security.py::test_the_corpus_is_large",
        "tests/surfaces/test_security.py::test_no_hostile_text_becomes_markup",
        "tests/surfaces/test_security.py::test_no_short_surface_becomes_markup",
        "tests/surfaces/test_security.py::test_a_tree_of_a_million_nodes_costs_little",
        "tests/surfaces/test_security.py::test_a_label_of_a_megabyte_is_a_placeholder",
        "tests/surfaces/test_panel.py::test_bounds",
        "tests/surfaces/test_panel.py::test_markdown_is_spans_and_nothing_else",
        "tests/surfaces/test_surfaces_fuzz.py::test_lines_of_any_kind_in_any_pieces",
        "tests/browser/test_surfaces_browser.py::"
        "test_hostile_surfaces_run_nothing_ask_for_nothing_and_stay_dead_in_the_file",
    ),
    "2 saved notebooks": (
        f"{HERE}::test_a_notebook_saved_with_its_widgets_holds_no_word_no_sound_and_no_key",
        "tests/notebook/test_live.py::test_media_is_never_in_a_trait",
        "tests/notebook/test_surface_view.py::test_nothing_of_it_is_in_a_trait",
        "tests/browser/test_surfaces_browser.py::"
        "test_hostile_surfaces_run_nothing_ask_for_nothing_and_stay_dead_in_the_file",
    ),
    "3 messages of the front end": (
        "tests/notebook/test_codec_fuzz.py::test_any_header_before_any_payload",
        "tests/notebook/test_codec_fuzz.py::test_frames_that_were_torn_and_json_of_any_kind",
        "tests/notebook/test_link_fuzz.py::test_nothing_that_a_page_says_breaks_the_link",
        "tests/notebook/test_link_fuzz.py::test_nothing_that_a_widget_is_sent_breaks_it",
        "tests/notebook/test_link_fuzz.py::test_nothing_that_comes_through_the_socket_breaks_it",
        "tests/notebook/test_link.py::test_every_malformed_vector_is_counted_and_nothing_ends",
        "tests/surfaces/test_board.py::test_what_no_page_of_ours_sends_is_refused_and_counted",
    ),
    "4 tools and approvals": (
        "tests/tools/test_approval.py::test_an_answer_about_other_arguments_is_a_no",
        "tests/tools/test_approval.py::test_an_approval_cannot_be_replayed",
        "tests/tools/test_approval.py::test_two_questions_race_and_each_gets_its_own_answer",
        "tests/tools/test_approval.py::test_two_answers_race_and_the_first_counts",
        "tests/tools/test_approval.py::test_no_answer_in_time_is_a_no_and_a_late_yes_counts_for_nothing",
        "tests/tools/test_approval.py::test_whoever_leaves_says_no",
        "tests/tools/test_policy.py::test_what_runs_is_what_was_shown_even_when_the_caller_changes_it_meanwhile",
        "tests/notebook/test_approval_link.py::test_refused_and_replayed",
        "tests/notebook/test_approval_link.py::test_a_page_that_closes_says_no",
        "tests/notebook/test_approval_link.py::test_without_a_page_nothing_is_asked_and_nothing_runs",
        "tests/browser/test_approval_browser.py::test_an_effect_runs_only_as_it_was_shown_and_only_when_allowed",
    ),
    "5 code that a model writes": (
        f"{HERE}::test_the_package_runs_no_code_that_it_reads",
        "tests/tools/test_evaluate.py::test_hostile_expressions_end_in_words",
        "tests/tools/test_evaluate.py::test_no_function_reaches_code_files_or_attributes",
        "tests/tools/test_cells.py::test_a_cell_is_proposed_and_never_run",
    ),
    "6 text in pictures, sound, files and results": (
        "tests/session/test_injections.py::test_nothing_is_deleted_without_a_yes_and_the_question_says_why",
        "tests/session/test_injections.py::test_nor_where_nobody_is_or_stays_or_the_answer_is_about_something_else",
        "tests/session/test_injections.py::test_every_one_would_work_if_nobody_was_asked",
        "tests/session/test_injections.py::test_a_model_that_writes_out_what_it_read_calls_nothing_unasked",
        "tests/session/test_injections.py::test_a_tool_servers_results_errors_and_descriptions_change_nothing",
        "tests/notebook/test_approval_link.py::test_text_from_a_camera_makes_a_read_ask_too",
        "tests/background/test_chat.py::test_data_cannot_close_its_own_marks_and_is_capped",
    ),
    "7 consent and recording": (
        "tests/browser/test_pages_browser.py::test_mute_ends_the_tracks",
        "tests/recordings/test_recorder.py::test_consent_is_the_first_thing_written",
        "tests/recordings/test_record_session.py::test_nothing_is_recorded_unless_it_is_said",
        "tests/recordings/test_forget.py::test_a_secret_leaves_no_trace_while_live",
        "tests/recordings/test_forget.py::test_what_is_forgotten_is_in_no_file",
        "tests/recordings/test_recorder.py::test_all_of_a_recording_is_for_its_owner_only",
        "tests/notebook/test_copresence.py::test_off_by_default_and_in_the_stats",
    ),
    "8 weights": (
        f"{HERE}::test_a_pickle_under_any_name_is_refused",
        f"{HERE}::test_the_package_runs_no_code_that_it_reads",
        "tests/background/test_local.py::test_weights_in_a_pickle_are_not_read",
        "tests/model/test_pretrained.py::test_half_a_model_and_pickles_are_refused",
        "tests/adapters/test_load.py::"
        "test_a_cache_that_lacks_weights_is_no_model_and_what_is_to_be_fetched_holds_no_program",
    ),
    "9 recordings as input": (
        f"{HERE}::test_a_recording_full_of_strangers_files_touches_none",
        "tests/recordings/test_hostile.py::test_no_file_is_named_by_a_recording",
        "tests/recordings/test_hostile.py::test_links_are_not_followed",
        "tests/recordings/test_hostile.py::test_a_pipe_in_the_place_of_a_file_does_not_hang",
        "tests/recordings/test_hostile.py::test_a_sound_that_says_it_is_endless_is_refused",
        "tests/recordings/test_hostile.py::test_a_picture_that_says_it_is_huge_is_not_decoded",
        "tests/recordings/test_hostile.py::test_a_file_full_of_holes_is_not_read_into_memory",
        "tests/recordings/test_hostile.py::test_a_wrong_header_is_told",
        "tests/recordings/test_levels.py::test_a_bomb_is_not_inflated",
        "tests/recordings/test_recordings_fuzz.py::test_any_file_of_a_recording_torn_or_made_up",
        "tests/recordings/test_replay.py::test_a_recording_cannot_name_what_is_imported",
        "tests/recordings/test_annotations.py::test_damage_gives_lanes_or_the_one_error",
    ),
    "10 keys": (
        f"{HERE}::test_a_key_is_in_nothing_that_is_shown_kept_or_written",
        "tests/adapters/test_realtime.py::test_no_key_in_anything_that_is_kept_or_written",
        "tests/adapters/test_realtime.py::test_a_key_goes_to_its_own_address_and_nowhere_unencrypted",
        "tests/background/test_chat.py::test_the_key_is_not_shown_and_no_vendors_variable_is_sent",
        "tests/serve/test_server.py::test_nothing_is_left_and_nothing_is_written_down",
        "tests/tools/test_mcp.py::test_the_notebooks_environment_stays_here",
    ),
    "11 budgets": (
        "tests/background/test_chat.py::test_limits_of_rounds_calls_and_tokens",
        "tests/background/test_chat.py::test_the_total_time_is_limited",
        "tests/session/test_session.py::test_what_went_over_the_bounds_of_a_task_is_in_the_stats",
        "tests/surfaces/test_board.py::test_rates_are_bounded_and_a_clock_that_goes_back_costs_nothing",
        "tests/surfaces/test_board.py::test_the_oldest_of_more_than_a_hundred_goes",
        "tests/recordings/test_recorder.py::test_memory_stays_bounded",
        "tests/recordings/test_record_session.py::test_a_full_disk_never_stops_a_session",
        "tests/serve/test_server.py::test_who_says_nothing_for_long_is_let_go",
        "tests/serve/test_seat.py::test_too_many_messages_are_refused_until_time_has_passed",
        "tests/session/test_injections.py::test_who_asks_in_every_tick_is_not_heard_more_than_three_times",
    ),
    "12 local ports": (
        "tests/notebook/test_socket_lane.py::test_strangers_are_refused",
        "tests/notebook/test_socket_lane.py::test_a_name_that_was_pointed_here_does_not_get_in",
        "tests/notebook/test_socket_lane.py::test_who_dawdles_at_the_door_is_sent_away_and_holds_nobody_up",
        "tests/notebook/test_socket_lane.py::test_a_message_over_the_limit_ends_that_socket_and_nothing_else",
        "tests/notebook/test_socket_lane.py::test_it_listens_on_the_loopback_only_and_frees_its_port",
        "tests/serve/test_server.py::test_who_gets_in",
        "tests/serve/test_server.py::test_a_name_that_was_pointed_here_does_not_get_in",
        "tests/serve/test_server.py::test_who_dawdles_at_the_door_is_sent_away_and_others_come_in",
        "tests/serve/test_server.py::test_more_at_the_door_than_may_stand_there_are_hung_up_on",
        "tests/serve/test_server.py::test_a_message_that_is_too_big_ends_its_own_session_only",
        "tests/serve/test_server.py::test_other_machines_need_a_token_of_yours",
        "tests/serve/test_seat_fuzz.py::test_messages_of_any_kind_break_nothing",
        "tests/adapters/test_realtime_talk.py::test_events_of_any_kind_break_nothing",
    ),
    "13 a threat model that is published": (
        f"{HERE}::test_every_line_that_security_md_defends_names_tests_that_are_there",
    ),
}  # fmt: skip


@cache
def found_in(path):
    """The tests of a file, none that is skipped whatever happens."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            marks = {ast.unparse(mark).partition("(")[0] for mark in node.decorator_list}
            if not marks & {"pytest.mark.skip", "pytest.mark.xfail"}:
                found.add(node.name)
    return found


@pytest.mark.parametrize("anchor", ANCHORS)
def test_every_anchor_is_held_by_tests_that_are_there(anchor):
    for name in ANCHORS[anchor]:
        path, _, test = name.partition("::")
        assert test in found_in(path), name


def test_every_line_that_security_md_defends_names_tests_that_are_there():
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    defended, _, rest = text.partition("## Not defended")
    lines = defended.partition("## Defended")[2].split("\n- ")[1:]
    assert len(lines) >= len(ANCHORS) - 1
    for line in lines:
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`", line)
        assert named, f"no test is named by: {line[:80]}"
        for path, test in named:
            assert (ROOT / path).is_file(), path
            assert not test or test in found_in(path), f"{path}::{test}"
    for must in ("## Reporting", "version", "steps", "what you expected"):
        assert must in rest, must


# --- 2


def test_a_notebook_saved_with_its_widgets_holds_no_word_no_sound_and_no_key():
    """All that Jupyter would write into the file with "save widget state" on, after a conversation with a result."""
    others = set(ipywidgets.Widget.get_manager_state()["state"])
    session = LiveSession(StandIn(), namespace={})
    try:
        session._repr_mimebundle_()
        link, socket = session._display.link, session._display.socket
        link.receive(encode(json_frame(Kind.CONTROL_UP, {"type": "hello", "view": "v1"})))
        link.receive(encode(json_frame(Kind.TEXT, {"text": "xyzzy is my secret"})))
        link.receive(encode(json_frame(Kind.CONTROL_UP, {"type": "lease", "take": True, "view": "v1"})))
        for seq in range(3):
            link.receive(encode(Frame(Kind.AUDIO, pcm16(np.full(3200, 0.3, np.float32)), seq=seq)))
        session.show(imkit.Surface("s", "plugh", lines='["root","text",{"text":"xyzzy result"}]'))
        end_s = time.monotonic() + 30
        while "xyzzy" not in json.dumps(list(link._history)):
            assert time.monotonic() < end_s, "the typed words never came"
            time.sleep(0.01)
        state = ipywidgets.Widget.get_manager_state()["state"]
        told = {name: one for name, one in state.items() if name not in others}
        for one in told.values():
            one["state"] = {name: value for name, value in one["state"].items() if name not in ("_esm", "_css")}
        saved = json.dumps(told)
        assert session.id in saved  # the panel is among them
        for secret in ("xyzzy", "plugh", socket.token, socket.path):
            assert secret not in saved
        assert not re.search(r"[A-Za-z0-9+/]{200}", saved)  # no media in base64 either
    finally:
        session.close()


# --- 5 and 8


SWITCHES = {"shell", "allow_pickle", "weights_only", "trust_remote_code"}
BANNED = {"pickle", "marshal", "shelve", "dill", "joblib", "zipfile", "tarfile", "xml.etree.ElementTree", "yaml"}


def test_the_package_runs_no_code_that_it_reads():
    """No eval, no pickle, no archive, no shell in the whole package; a remote model's program in one place only."""
    trusting = []
    for path in sorted((ROOT / "imkit").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None) or ""}
                assert not names & BANNED or (names & BANNED == {"pickle"} and path.parent.name == "isolated"), where
            if isinstance(node, ast.Call):
                owner = getattr(getattr(node.func, "value", None), "id", "?")
                called = getattr(node.func, "id", "") or f"{owner}.{getattr(node.func, 'attr', '')}"
                given = {one.arg: ast.unparse(one.value) for one in node.keywords if one.arg in SWITCHES}
                assert called not in ("eval", "exec", "compile", "os.system", "os.popen", "__import__"), where
                assert given.get("shell", "False") == "False", where
                assert given.get("allow_pickle", "False") == "False", where
                assert called != "pickle.loads" or path.name == "child.py", where  # what its own kernel sent it
                assert called != "torch.load" or given.get("weights_only") == "True", where
                if given.get("trust_remote_code", "False") != "False":
                    trusting.append(path.name)
    assert set(trusting) <= {"minicpmo.py"}  # where its caller said so, and named a whole commit


class Trap:
    """Writes a file when it is read as a pickle."""

    def __init__(self, sprung):
        self.sprung = sprung

    def __reduce__(self):
        return Path.write_text, (self.sprung, "x")


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors", "pytorch_model.bin", "model.safetensors"])
def test_a_pickle_under_any_name_is_refused(tmp_path, name):
    sprung = tmp_path / "sprung"
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_bytes((ROOT / "models/nano/config.json").read_bytes())
    (folder / name).write_bytes(pickle.dumps(Trap(sprung)))
    for runtime in ("onnx", "eager"):
        with pytest.raises(ModelError):
            imkit.load(str(folder), runtime=runtime)
    cache = tmp_path / "cache.safetensors"
    cache.write_bytes(pickle.dumps(Trap(sprung)))
    (tmp_path / "cache.safetensors.json").write_bytes(pickle.dumps(Trap(sprung)))
    with pytest.raises(ImkitError):
        load_cache(cache)
    assert not sprung.exists()
    pickle.loads(pickle.dumps(Trap(sprung)))
    assert sprung.exists()  # it does go off where it is read


# --- 9


def test_a_recording_full_of_strangers_files_touches_none(tmp_path):
    """Names that clash when case is folded, reserved names, over-long ones, archives: none is read or made."""
    folder = tmp_path / "r"
    with LiveSession(FakeModel(24_000), namespace={}) as session:
        session.run(seconds=1, record=folder)
    extra = [
        "EVENTS.JSONL",
        "Session.json",
        "con",
        "NUL.txt",
        "aux.flac",
        "a" * 200,
        "..x",
        "user/00000000.FLAC",
        "x.zip",
    ]
    for name in extra:
        (folder / name).write_bytes(b"PK\x03\x04 not ours")
    before = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    recording = open_recording(folder)
    recording.verify()
    assert len(recording.timeline()) >= 5
    assert {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


# --- 10


def test_a_key_is_in_nothing_that_is_shown_kept_or_written(tmp_path, monkeypatch, caplog, capfd):
    key = "sk-very-secret-0123456789"
    monkeypatch.setenv("IMKIT_BACKGROUND_KEY", key)
    (tmp_path / "t.jsonl").write_text('{"t": 0.2, "text": "plot it"}\n')
    with LiveSession(FakeModel(24_000), "chat:m@http://127.0.0.1:9/v1", namespace={}) as session:
        timeline = session.run(tmp_path / "t.jsonl", record=tmp_path / "r")
        assert any(event.kind == "result" for moment in timeline for event in moment.percept.events)
        told = [
            repr(session),
            repr(session.background),
            str(vars(session).keys()),
            json.dumps(session.stats(), default=str),
        ]
        told += [repr(timeline), str(session.tasks)]
        timeline.report(tmp_path / "talk.html")
        for form in ("trace", "vtt", "textgrid"):
            timeline.export(form, tmp_path / f"talk.{form}")
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"plot it" in written
    shown = "".join([*told, caplog.text, *capfd.readouterr()]).encode() + written
    for piece in (key, key[3:], key[-12:]):
        assert piece.encode() not in shown
