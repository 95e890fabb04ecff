from imkit.cli.bench_recordings import recordings


def test_the_rows_say_size_open_time_and_that_the_replay_is_the_same(tmp_path):
    import json

    rows = {row.name.split(": ")[1]: row for row in recordings((0.005,), tmp_path / "numbers.json")}
    assert rows["replay, logs that differ"].measured == 0
    assert rows["replay, logs that differ"].note.startswith("90 micro-turns")
    assert 0.2 < rows["size"].measured < 5
    assert rows["open"].measured > 0
    assert len(json.loads((tmp_path / "numbers.json").read_text())) == 7
