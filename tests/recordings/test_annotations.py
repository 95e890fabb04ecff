"""Annotation files as others write them, and files that are broken."""

import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pympi import Elan, Praat

from imkit.measures import gaps
from imkit.recordings.annotations import AnnotationError, read
from imkit.recordings.annotations.eaf import parse as parse_eaf
from imkit.recordings.annotations.rttm import parse as parse_rttm
from imkit.recordings.annotations.textgrid import parse as parse_textgrid
from imkit.recordings.annotations.vtt import parse as parse_vtt


def spans(lane):
    return [(one.start_s, one.end_s, one.label) for one in lane]


def test_a_textgrid_of_pympi_long_and_short(tmp_path):
    grid = Praat.TextGrid(xmax=5.0)
    grid.add_tier("A").add_interval(0.5, 1.25, 'says "hé"')
    grid.add_tier("clicks", tier_type="TextTier").add_point(2.5, "click")
    for mode in ("normal", "short"):
        path = tmp_path / f"{mode}.TextGrid"
        grid.to_file(str(path), codec="utf-8", mode=mode[0])
        lanes = read(path)
        assert spans(lanes["A"]) == [(0.5, 1.25, 'says "hé"')]
        assert spans(lanes["clicks"]) == [(2.5, 2.5, "click")]
        assert (lanes.start_s, lanes.end_s) == (0.0, 5.0)


def test_a_textgrid_in_utf16_with_comments_and_two_tiers_of_one_name(tmp_path):
    text = (
        'File type = "ooTextFile"\nObject class = "TextGrid"\n! a comment with 12 and "quotes"\n0 9.5\n<exists>\n2\n'
        '"IntervalTier" "A" 0 9.5 1\n0 1 "شكرا"\n"IntervalTier" "A" 0 9.5 1\n1 2 "b"\n'
    )
    path = tmp_path / "x.TextGrid"
    path.write_bytes(codecs.BOM_UTF16_BE + text.encode("utf-16-be"))
    lanes = read(path)
    assert {name: spans(lane) for name, lane in lanes.items()} == {"A": [(0, 1, "شكرا")], "A (2)": [(1, 2, "b")]}
    assert dict(parse_textgrid('"ooTextFile" "TextGrid" 0 1 <absent>')) == {}


def test_an_eaf_of_pympi_with_references(tmp_path):
    eaf = Elan.Eaf()
    eaf.remove_tier("default")
    eaf.add_linguistic_type("kinds", constraints="Symbolic_Association", timealignable=False)
    eaf.add_tier("A")
    eaf.add_tier("A kind", ling="kinds", parent="A")
    eaf.add_annotation("A", 500, 1250, "<mm> & מה")
    eaf.add_ref_annotation("A kind", "A", 600, "backchannel")
    path = tmp_path / "x.eaf"
    eaf.to_file(str(path))
    lanes = read(path)
    assert spans(lanes["A"]) == [(0.5, 1.25, "<mm> & מה")]
    assert spans(lanes["A kind"]) == [(0.5, 1.25, "backchannel")]


def slots(*values):
    each = "".join(
        f'<TIME_SLOT TIME_SLOT_ID="t{i}"{v and f" TIME_VALUE={chr(34)}{v}{chr(34)}"}/>' for i, v in enumerate(values)
    )
    return f"<ANNOTATION_DOCUMENT><TIME_ORDER>{each}</TIME_ORDER>"


def test_slots_without_a_time_lie_evenly_between_their_neighbours():
    said = "".join(
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{i}" TIME_SLOT_REF1="t{i}" TIME_SLOT_REF2="t{i + 1}">'
        f"<ANNOTATION_VALUE>w{i}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
        for i in range(3)
    )
    text = slots("1000", "", "", "4000") + f'<TIER TIER_ID="A">{said}</TIER></ANNOTATION_DOCUMENT>'
    assert spans(parse_eaf(text)["A"]) == [(1.0, 2.0, "w0"), (2.0, 3.0, "w1"), (3.0, 4.0, "w2")]


def test_rttm_and_measures_of_two_speakers(tmp_path):
    path = tmp_path / "x.rttm"
    path.write_text(
        ";; a comment\nSPKR-INFO f 1 <NA> <NA> <NA> unknown a <NA> <NA>\n"
        "SPEAKER f 1 2.5 1.0 <NA> <NA> b <NA> <NA>\nSPEAKER f 1 0.0 2.0 <NA> <NA> a <NA>\n"
    )
    lanes = read(path)
    assert {name: spans(lane) for name, lane in lanes.items()} == {"b": [(2.5, 3.5, "b")], "a": [(0.0, 2.0, "a")]}
    assert [one.duration_s for one in gaps(lanes.talk("a", "b"))] == [0.5]
    with pytest.raises(KeyError, match="there are 'b', 'a'"):
        lanes.talk("a", "c")


def test_vtt_with_voices_settings_notes_and_styles():
    text = (
        "WEBVTT a title\r\nX-TIMESTAMP-MAP=LOCAL\r\n\r\nNOTE a --> b\r\nof no account\r\n\r\nSTYLE\r\n::cue { }\r\n\r\n"
        "1\r\n00:01.000 --> 00:02.500 align:start line:0\r\n<v.loud Ann>hi <00:01.500><i>there</i></v>\r\n"
        "<v Bob>&lt;so&gt;\r\n\r\n"
        "01:00:00.000 --> 01:00:01.000\r\nplain\r\n"
    )
    lanes = parse_vtt(text)
    assert {name: spans(lane) for name, lane in lanes.items()} == {
        "Ann": [(1.0, 2.5, "hi there")],
        "Bob": [(1.0, 2.5, "<so>")],
        "captions": [(3600.0, 3601.0, "plain")],
    }
    assert parse_vtt("WEBVTT").end_s == 0.0


ALIGNED = (
    '<TIER TIER_ID="A"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a" TIME_SLOT_REF1="t0" TIME_SLOT_REF2="{}"/>'
    "</ANNOTATION></TIER>"
)
REFERS = '<TIER TIER_ID="A"><ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a" ANNOTATION_REF="a"/></ANNOTATION></TIER>'
HEAD = 'File type = "ooTextFile"\nObject class = "TextGrid"\n0 1\n<exists>\n'


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (parse_textgrid, "hello", "line 1: the file ends where the file type"),
        (parse_textgrid, '"ooTextFile" "Pitch 1" 0 1', "is no TextGrid"),
        (parse_textgrid, HEAD + '1\n"Tier" "A" 0 1 0', "line 6: a tier of class 'Tier'"),
        (parse_textgrid, HEAD + '1\n"IntervalTier" "A" 0 1 1\n0 1', "line 7: the file ends where a label"),
        (parse_textgrid, HEAD + '1\n"IntervalTier" "A" 0 1 1\n0 1 "open', "line 7: a quote"),
        (parse_textgrid, HEAD + '1\n"IntervalTier" "A" 0 1 1\n1 0.5 "a"', "line 7: an interval from 1 to 0.5 s"),
        (parse_textgrid, HEAD + '1\n"IntervalTier" "A" 0 1 -3\n', "line 6: -3 as the number of intervals"),
        (parse_textgrid, HEAD + "99999999\n", "line 5: 1e+08 as the number of tiers"),
        (parse_textgrid, HEAD + '1\n"IntervalTier" "A" 0 1 1\n1e999 2 "a"', "line 7: 1e999 where a time"),
        (parse_eaf, "<ANNOTATION_DOCUMENT>", "line 1: is no XML"),
        (parse_eaf, "<html/>", "<html>, expected <ANNOTATION_DOCUMENT>"),
        (parse_eaf, '\n<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>', "line 2: has a document type"),
        (parse_eaf, '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "has a document type"),
        (
            parse_eaf,
            slots("1") + ALIGNED.format("t9") + "</ANNOTATION_DOCUMENT>",
            "TIME_SLOT_REF2='t9' names no TIME_SLOT",
        ),
        (parse_eaf, slots("9", "1") + ALIGNED.format("t1") + "</ANNOTATION_DOCUMENT>", "ends before it starts"),
        (parse_eaf, slots("-4") + "</ANNOTATION_DOCUMENT>", "TIME_VALUE is '-4'"),
        (parse_eaf, slots("1") + "<TIER/></ANNOTATION_DOCUMENT>", "<TIER> has no TIER_ID"),
        (parse_eaf, slots("1") + REFERS + "</ANNOTATION_DOCUMENT>", "leads to no annotation with a time"),
        (parse_eaf, "<a>" * 40, "more than 32 deep"),
        (parse_rttm, "SPEAKER f 1 0 1 <NA> <NA>", "line 1: 7 fields"),
        (parse_rttm, "\nSPEAKER f 1 x 1 <NA> <NA> a <NA> <NA>", "line 2: onset is 'x'"),
        (parse_rttm, "SPEAKER f 1 0 -1 <NA> <NA> a <NA> <NA>", "duration is '-1'"),
        (parse_rttm, "SPEAKER f 1 0 inf <NA> <NA> a <NA> <NA>", "duration is 'inf'"),
        (parse_rttm, "hello world", "line 1: type 'hello'"),
        (parse_vtt, "", "is no WebVTT"),
        (parse_vtt, "WEBVTTX", "is no WebVTT"),
        (parse_vtt, "WEBVTT\n\nhello", "line 3: 'hello' begins no cue"),
        (parse_vtt, "WEBVTT\n\n1\n00:01 --> 00:02", "line 4: '00:01 --> 00:02' holds no times"),
        (parse_vtt, "WEBVTT\n\n00:02.000 --> 00:01.000\nx", "line 3: the cue ends at 1 s"),
    ],
)
def test_what_is_wrong_is_named(parse, text, message):
    with pytest.raises(AnnotationError) as error:
        parse(text)
    assert message in str(error.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(AnnotationError, match=r"ends in \.TextGrid, \.eaf, \.rttm or \.vtt"):
        read(tmp_path / "x.doc")
    with pytest.raises(AnnotationError, match=r"x\.vtt: cannot be read"):
        read(tmp_path / "x.vtt")
    (tmp_path / "x.vtt").write_bytes(b"WEBVTT\n\xff\xfe")
    with pytest.raises(AnnotationError, match=r"x\.vtt: line 2: is no UTF-8 text"):
        read(tmp_path / "x.vtt")
    with (tmp_path / "big.rttm").open("wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(AnnotationError, match="larger than 64 MB"):
        read(tmp_path / "big.rttm")


PIECES = st.sampled_from(
    [
        '"ooTextFile" "TextGrid" 0 1 <exists> 1 "IntervalTier" "A" 0 1 1 0 1 "a"',
        "WEBVTT\n\n00:01.000 --> 00:02.000\n<v A>x",
        "SPEAKER f 1 0 1 <NA> <NA> a <NA> <NA>",
        slots("1", "2") + ALIGNED.format("t1") + "</ANNOTATION_DOCUMENT>",
    ]
)


@settings(max_examples=80, deadline=None)
@given(
    PIECES,
    st.integers(0, 200),
    st.text('"<>&!\x00-. 09aé\n\ud800', max_size=8),
    st.sampled_from([parse_textgrid, parse_eaf, parse_rttm, parse_vtt]),
)
def test_damage_gives_lanes_or_the_one_error(text, at, put, parse):
    try:
        lanes = parse(text[:at] + put + text[at + len(put) :])
    except AnnotationError:
        return
    assert all(one.start_s <= one.end_s for lane in lanes.values() for one in lane)
