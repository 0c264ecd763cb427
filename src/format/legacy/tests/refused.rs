//! What is no pin and what is no list of pins, with the place and the reason.

use super::*;

#[test]
fn entries_that_are_no_pins_are_rejected_with_their_place_and_reason() {
    let text = "[\"$A\", null,\n 7, \"not a cid\", {\"é\":1}, {\"name\": \"x\"},\n [\"$A\"], true, \"\"]";
    let summary = found(
        text,
        Shape::List,
        &[
            "0 $A|-|stored|{}",
            &format!("1 !{} null is no pin", place(text, "null")),
            "2 !2:2 a number is no pin",
            "3 !2:5 not a CID: not the text of a multibase",
            &format!("4 !2:18 {NONE}"),
            &format!("5 !2:27 {NONE}"),
            "6 !3:2 a list is no pin",
            &format!("7 !{} true or false is no pin", place(text, "true")),
            &format!("8 !{} not a CID: empty", place(text, "\"\"")),
        ],
    );
    assert_eq!((summary.found, summary.rejected), (1, 8));
    let entries = read_text(text).0.entries;
    let written =
        ["null", "7", "\"not a cid\"", "{\"é\":1}", "{\"name\": \"x\"}", "[\"$A\"]", "true", "\"\""];
    assert_eq!(entries, written);
}

#[test]
fn the_reason_of_a_reject_helps_to_mend_it() {
    let cut = &B[..57];
    for (text, reason) in [
        (r#""QmTestCID123456789abcdef""#, "not a CID: not the text of a multibase"),
        (&format!("\"{cut}\""), "not a CID: cut off"),
        (r#"" $A""#, "not a CID: not the text of a multibase; there is whitespace around it"),
        (r#""$B\n""#, "not a CID: not the text of a multibase; there is whitespace around it"),
        (
            r#""/ipfs/$A""#,
            "not a CID: not the text of a multibase; it is an address, and only the CID in it would do",
        ),
        (
            r#""https://x.org/ipfs/$B""#,
            "not a CID: not the text of a multibase; it is an address, and only the CID in it would do",
        ),
        (r#"{"cid": 7}"#, "no CID: `cid` is a number"),
        (r#"{"cid": null}"#, "no CID: `cid` is empty"),
        (r#"{"hash": ""}"#, "no CID: `hash` is empty"),
        (
            &format!(r#"{{"cid": "{cut}", "Hash": ["$A"]}}"#),
            "no CID: `cid` is not a CID: cut off, `Hash` is a list",
        ),
        (r#"{"cid": {"/": "$A", "x": 1}}"#, "no CID: `cid` is an object"),
        (r#"{"pin": {"cid": "x"}}"#, "no CID: `pin.cid` is not a CID: not the text of a multibase"),
        (
            r#"{"Message":"it stopped","Code":0,"Type":"error"}"#,
            "an error and no pin, so the list is incomplete: it stopped",
        ),
    ] {
        assert_eq!(entry(text), format!("!1:2 {reason}"), "{text}");
    }
}

#[test]
fn a_file_without_pins_is_refused_and_the_place_told() {
    let no_pins = format!("line 1, column 1: no pins in it: {NONE}");
    for (text, error) in [
        ("", "line 1, column 1: the file is empty"),
        (" \n\t\n", "line 3, column 1: the file is blank"),
        ("\u{feff}", "line 1, column 1: the file is empty"),
        (
            "\"$A\"",
            "line 1, column 1: wrong type at the top: a text, where a list or an object of pins should be",
        ),
        (
            "\n 7",
            "line 2, column 2: wrong type at the top: a number, where a list or an object of pins should be",
        ),
        (
            "null",
            "line 1, column 1: wrong type at the top: null, where a list or an object of pins should be",
        ),
        ("<html>", "line 1, column 1: not JSON: a value was expected here"),
        (r#"{"version":1,"gpio":[1,2]}"#, &no_pins),
        (r#"{"pins":"none"}"#, &no_pins),
        (
            r#"{"Message":"not pinned","Code":0,"Type":"error"}"#,
            "line 1, column 1: no pins in it: an error and no pin, so the list is incomplete: not pinned",
        ),
        ("{\"cid\":\n\"$A\"", "line 2, column 49: the file ends here in the middle: it was cut off"),
        ("{\"pins\": [\n", "line 2, column 1: the file ends here in the middle: it was cut off"),
        ("[\"$A\"]\n[\"$B\"]", "line 2, column 1: the file goes on after its end"),
        ("[\"$A\"]\n{\"cid\":\"$B\"}", "line 2, column 1: the file goes on after its end"),
        ("{\"cid\":\"$A\"}\n[\"$B\"]", "line 2, column 1: the file goes on after its end"),
        ("{\"cid\":\"$A\"}\n{\"cid\":\"$B\"}\nx", "line 3, column 1: the file goes on after its end"),
        ("{\"pins\":[]} {}", "line 1, column 13: the file goes on after its end"),
        ("{\"Keys\":{\"$A\":{}}}]", "line 1, column 63: the file goes on after its end"),
        ("[\"$A\",]", "line 1, column 51: not JSON: a value was expected here"),
        ("[\n{'cid': 1}]", "line 2, column 2: not JSON: a key in double quotes was expected here"),
    ] {
        let (_, summary) = read_text(text);
        assert_eq!(summary.unwrap_err(), error, "{text:?}");
    }
    let (_, summary) = read_bytes(b"[\"caf\xe9\"]");
    assert_eq!(summary.unwrap_err(), "line 1, column 6: not UTF-8");
    let (_, summary) = read_bytes(b"[\0\"\0]\0");
    assert_eq!(summary.unwrap_err(), "line 1, column 1: the file is UTF-16, not UTF-8");
    let deep = format!("[{}", "{\"a\":".repeat(100_000));
    assert_eq!(read_text(&deep).1.unwrap_err(), "line 1, column 637: nested more than 127 deep");
}
