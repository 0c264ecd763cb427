//! Whole files: what is found in each, and what is not.
//!
//! `$A`, `$B` and `$C` stand for CIDs: a version 0, a dag-pb version 1 and a raw one.

use std::io;

use proptest::prelude::*;

use super::*;
use crate::pin::cid::codec_and_content_of;

const A: &str = "QmVbVokbi9uS8aPW1gzUKQHFB4qAwQicG5mMds9c3gsPX3";
const B: &str = "bafybeicnkabufupmjcfeohr2j74drxl7it2epdi67qceynl7jihl6xwkeq";
const C: &str = "bafkreiffzvhxqbbxsnctp5tvz4kgqminqeay5uq3zdddlho6vfbealu2eu";
/// 2024-05-01T10:00:00Z.
const AT: i64 = 1_714_557_600_000_000;

const NONE: &str =
    "no CID: has none of the keys cid, Cid, CID, hash, Hash, IpfsHash, ipfs_pin_hash, root, pin.cid";

fn with_cids(text: &str) -> String {
    text.replace("$A", A).replace("$B", B).replace("$C", C)
}

fn without_cids(text: &str) -> String {
    text.replace(A, "$A").replace(B, "$B").replace(C, "$C").replace(&format!("|{AT}|"), "|AT|")
}

/// Shows what it gets as lines: `index cid|created_at|status|metadata`, then the path if it is not the default one; for
/// a reject `index !line:column reason`.
#[derive(Default)]
struct Shown {
    lines: Vec<String>,
    entries: Vec<String>,
}

impl Sink for Shown {
    type Error = std::convert::Infallible;

    fn pin(&mut self, pin: Pin<'_>) -> Result<(), Self::Error> {
        let mapping = pin.mapping;
        let cid = mapping.cid.unwrap();
        let mut content = Vec::new();
        assert_eq!(codec_and_content_of(cid, &mut content), Some(pin.codec), "{cid}");
        assert_eq!((content.as_slice(), mapping.backend_name), (pin.content, Some("x")));
        let metadata = mapping.metadata.unwrap();
        let read: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_str(metadata);
        // serde_json has no lone surrogates.
        assert!(read.is_ok() || metadata.contains("\\ud8"), "{metadata}");
        let created_at = mapping.created_at.map_or("-".into(), |at| at.to_string());
        let mut line = format!("{} {cid}|{created_at}|{}|{metadata}", pin.index, mapping.status.unwrap());
        let path = mapping.car_file_path.unwrap();
        if path != format!("/x/cars/{cid}.car") {
            line += &format!(" @{path}");
        }
        if pin.other_backend {
            line += " other";
        }
        self.lines.push(without_cids(&line));
        Ok(())
    }

    fn reject(&mut self, reject: Reject<'_>) -> Result<(), Self::Error> {
        let Reject { index, line, column, reason, entry } = reject;
        self.lines.push(without_cids(&format!("{index} !{line}:{column} {reason}")));
        self.entries.push(without_cids(entry));
        Ok(())
    }
}

/// A source that gives a few bytes at a time.
struct Slow<'a>(&'a [u8], usize);

impl io::Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.1.min(buffer.len());
        io::Read::read(&mut self.0, &mut buffer[..most])
    }
}

/// Reads a file whole and in pieces, which must make no difference.
fn read_bytes(bytes: &[u8]) -> (Shown, Result<Summary, String>) {
    let paths = CarPaths::new("x", None);
    let mut shown = Shown::default();
    let told = |result: Result<Summary, Failed<std::convert::Infallible>>| match result {
        Ok(summary) => Ok(summary),
        Err(Failed::File(error)) => Err(without_cids(&error.to_string())),
    };
    let summary = told(read(bytes, "x", &paths, &mut shown));
    for (most, window) in [(1, 16), (7, 16), (usize::MAX, 100)] {
        let mut again = Shown::default();
        let reader = Reader::with_sizes(Slow(bytes, most), window, 1 << 24);
        let result = told(walk::Walk::new(reader, "x", &paths, &mut again).run());
        assert_eq!((&again.lines, &again.entries, &result), (&shown.lines, &shown.entries, &summary));
    }
    if let Ok(summary) = &summary {
        assert_eq!(summary.found + summary.rejected, shown.lines.len() as u64);
        assert_eq!(summary.rejected, shown.entries.len() as u64);
    }
    (shown, summary)
}

fn read_text(text: &str) -> (Shown, Result<Summary, String>) {
    read_bytes(with_cids(text).as_bytes())
}

/// Where the first `part` of a file begins, as `line:column`, counted here in another way.
fn place(text: &str, part: &str) -> String {
    let text = with_cids(text);
    let before = &text[..text.find(&with_cids(part)).unwrap()];
    let line = before.rsplit('\n').next().unwrap();
    format!("{}:{}", before.split('\n').count(), line.chars().count() + 1)
}

/// What is found in a file that is understood.
#[track_caller]
fn found(text: &str, shape: Shape, lines: &[&str]) -> Summary {
    let (shown, summary) = read_text(text);
    assert_eq!(shown.lines, lines, "{text}\n{summary:?}");
    let summary = summary.unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(summary.shape, shape, "{text}");
    summary
}

/// The one line of a list of one entry.
fn entry(text: &str) -> String {
    let (shown, summary) = read_text(&format!("[{text}]"));
    assert!(summary.is_ok(), "{text}: {summary:?}");
    assert_eq!(shown.lines.len(), 1, "{text}");
    shown.lines[0].strip_prefix("0 ").unwrap().to_owned()
}

#[test]
fn lists_of_cids_and_of_objects_are_read() {
    found("[]", Shape::List, &[]);
    found(
        r#"["$A", "$B","\u0062afkreiffzvhxqbbxsnctp5tvz4kgqminqeay5uq3zdddlho6vfbealu2eu"]"#,
        Shape::List,
        &["0 $A|-|stored|{}", "1 $B|-|stored|{}", "2 $C|-|stored|{}"],
    );
    found(
        "[\n {\"cid\": \"$A\", \"name\": \"a b\", \"size\": 1.50},\n {\"hash\": \"$B\"}, \"$C\", {\"cid\": {\"/\": \"$C\"}}]",
        Shape::List,
        &[
            "0 $A|-|stored|{\"name\":\"a b\",\"size\":1.50}",
            "1 $B|-|stored|{}",
            "2 $C|-|stored|{}",
            "3 $C|-|stored|{}",
        ],
    );
}

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
fn kubos_answers_are_read() {
    let keys = r#"{"Keys":{"$A":{"Type":"recursive","Name":""},"$B":{"Type":"indirect"},
 "$C":{"Type":"indirect through $B"},"x":{"Type":"direct"}}}"#;
    let kinds = [
        r#"0 $A|-|stored|{"Type":"recursive","Name":""}"#,
        r#"1 $B|-|indirect|{"Type":"indirect"}"#,
        r#"2 $C|-|indirect|{"Type":"indirect through $B"}"#,
        &format!("3 !{} the key is no CID: not the text of a multibase; {NONE}", place(keys, "\"x\"")),
    ];
    found(keys, Shape::Kubo, &kinds);
    for nothing in ["{}", "{ }\n", r#"{"Keys":{}}"#, r#"{"Keys":null}"#] {
        found(nothing, Shape::Kubo, &[]);
    }
    let lines =
        "{\"Cid\":\"$A\",\"Type\":\"recursive\"}\n{\"Cid\":\"$B\",\"Name\":\"x\",\"Type\":\"direct\"}\n";
    let summary = found(
        lines,
        Shape::Lines,
        &[r#"0 $A|-|stored|{"Type":"recursive"}"#, r#"1 $B|-|stored|{"Name":"x","Type":"direct"}"#],
    );
    assert!(!summary.incomplete);
    let broken = format!("{lines}{{\"Message\":\"context canceled\",\"Code\":0,\"Type\":\"error\"}}\n");
    let summary = found(
        &broken,
        Shape::Lines,
        &[
            r#"0 $A|-|stored|{"Type":"recursive"}"#,
            r#"1 $B|-|stored|{"Name":"x","Type":"direct"}"#,
            "2 !3:1 an error and no pin, so the list is incomplete: context canceled",
        ],
    );
    assert!(summary.incomplete);
    found(
        "{\"Status\":\"pinned\",\"Cid\":\"$A\",\"Name\":\"\"}\n{\"Status\":\"queued\",\"Cid\":\"$B\"}",
        Shape::Lines,
        &[
            r#"0 $A|-|stored|{"Name":"","source_status":"pinned"}"#,
            r#"1 $B|-|pending|{"source_status":"queued"}"#,
        ],
    );
    let verified =
        "{\"Cid\":\"$A\",\"Ok\":true}\n{\"Cid\":\"$B\",\"BadNodes\":[{\"Cid\":\"$C\",\"Err\":\"gone\"}]}";
    found(
        verified,
        Shape::Lines,
        &[r#"0 $A|-|stored|{"Ok":true}"#, r#"1 $B|-|failed|{"BadNodes":[{"Cid":"$C","Err":"gone"}]}"#],
    );
}

#[test]
fn answers_of_pinning_services_are_read() {
    let text = r#"{"count":120,"results":[{"requestid":"req-1","status":"pinned","created":"2024-05-01T10:00:00.000Z",
 "pin":{"cid":"$A","name":"x","origins":[ ],"meta":{"app": "t"}},"delegates":["/ip4/1"],"info":{}},
 {"requestid":"req-2","status":"queued","created":"2024-05-01T10:00:00Z","pin":{"cid":"$B"}},
 {"requestid":"req-3","status":"failed","pin":{"name":"none"}}],"next":null}"#;
    let summary = found(
        text,
        Shape::PinningService,
        &[
            r#"0 $A|AT|stored|{"requestid":"req-1","created":"2024-05-01T10:00:00.000Z","pin":{"name":"x","origins":[],"meta":{"app":"t"}},"delegates":["/ip4/1"],"info":{},"source_status":"pinned"}"#,
            r#"1 $B|AT|pending|{"requestid":"req-2","created":"2024-05-01T10:00:00Z","source_status":"queued"}"#,
            &format!("2 !4:2 {NONE}"),
        ],
    );
    assert_eq!(summary.told_count, Some(120));
    // The count may come last.
    assert_eq!(found(r#"{"results":[],"count":3}"#, Shape::PinningService, &[]).told_count, Some(3));
    let text = r#"{"count":1,"rows":[{"id":"b0fb","ipfs_pin_hash":"$A","size":52960,"date_pinned":"2024-05-01T10:00:00.5Z",
 "date_unpinned":null,"metadata":{"name":"a.png","keyvalues":null},"regions":[{"regionId":"FRA1"}]},
 {"ipfs_pin_hash":"$B","date_pinned":"2024-05-01T10:00:00Z","date_unpinned":"2025-01-01T00:00:00Z"},
 {"ipfs_pin_hash":"$C","date_queued":"2024-05-01T10:00:00Z","status":"over_max_size"}]}"#;
    found(
        text,
        Shape::Pinata,
        &[
            r#"0 $A|1714557600500000|stored|{"id":"b0fb","size":52960,"date_pinned":"2024-05-01T10:00:00.5Z","date_unpinned":null,"metadata":{"name":"a.png","keyvalues":null},"regions":[{"regionId":"FRA1"}]}"#,
            r#"1 $B|AT|unpinned|{"date_pinned":"2024-05-01T10:00:00Z","date_unpinned":"2025-01-01T00:00:00Z"}"#,
            r#"2 $C|AT|failed|{"date_queued":"2024-05-01T10:00:00Z","source_status":"over_max_size"}"#,
        ],
    );
}

#[test]
fn ipfs_clusters_and_storachas_answers_are_read() {
    let old = r#"[{"cid":{"/":"$A"},"peer_map":{"p":{"status":"pinned"}}}]"#;
    found(old, Shape::List, &[r#"0 $A|-|stored|{"peer_map":{"p":{"status":"pinned"}}}"#]);
    let lines = "{\"cid\":\"$A\",\"name\":\"\",\"created\":\"2024-05-01T10:00:00Z\",\"peer_map\":{\"p\":{\"status\":\"pin_error\"}}}\n\
        {\"name\":\"\",\"expire_at\":\"0001-01-01T00:00:00Z\",\"cid\":{\"/\":\"$B\"},\"type\":2,\"timestamp\":\"0001-01-01T00:00:00Z\"}";
    found(
        lines,
        Shape::Lines,
        &[
            r#"0 $A|AT|failed|{"name":"","created":"2024-05-01T10:00:00Z","peer_map":{"p":{"status":"pin_error"}}}"#,
            r#"1 $B|-|stored|{"name":"","expire_at":"0001-01-01T00:00:00Z","type":2,"timestamp":"0001-01-01T00:00:00Z"}"#,
        ],
    );
    let storacha = "{\"root\":{\"/\":\"$A\"},\"shards\":[{\"/\":\"$C\"}]}\n{\"root\":\"$B\",\"insertedAt\":\"2024-05-01T10:00:00Z\"}";
    found(
        storacha,
        Shape::Lines,
        &[
            r#"0 $A|-|stored|{"shards":[{"/":"$C"}]}"#,
            r#"1 $B|AT|stored|{"insertedAt":"2024-05-01T10:00:00Z"}"#,
        ],
    );
}

#[test]
fn the_best_of_a_clusters_peers_counts() {
    for (peers, status) in [
        (r#"{"a":{"status":"pin_error"},"b":{"status":"pinned"},"c":{"status":"queued"}}"#, "stored"),
        (r#"{"a":{"status":"pin_error"},"b":{"status":"Pinning "}}"#, "pending"),
        (r#"{"a":{"status":"remote"},"b":{"status":"cluster_error"}}"#, "failed"),
        (r#"{"a":{"status":"remote"},"b":{"status":"unpinned"}}"#, "remote"),
        (r#"{"a":{"status":"sharded"}}"#, "sharded"),
        (r#"{"a":{"status":""},"b":{},"c":3}"#, "undefined"),
        (r#"{}"#, "undefined"),
        ("null", "stored"),
    ] {
        let line = entry(&format!(r#"{{"cid":"$A","peer_map":{peers}}}"#));
        assert_eq!(line, format!(r#"$A|-|{status}|{{"peer_map":{peers}}}"#));
    }
}

#[test]
fn objects_keyed_by_cid_or_by_name_are_read() {
    let keyed = r#"{"$A":{"status":"failed","size":5,"cid":"$A","hash":"$B"},"$B":null,"$C":"a.txt",
 "$A":"pinned","$B":true,"$C":"", "version":1, "x":{"cid":"$A"}}"#;
    found(
        keyed,
        Shape::Keyed,
        &[
            r#"0 $A|-|failed|{"size":5,"hash":"$B"}"#,
            "1 $B|-|stored|{}",
            r#"2 $C|-|stored|{"name":"a.txt"}"#,
            r#"3 $A|-|stored|{"source_status":"pinned"}"#,
            r#"4 $B|-|stored|{"value":true}"#,
            "5 $C|-|stored|{}",
            &format!("6 !{} the key is no CID: not the text of a multibase", place(keyed, "\"version")),
            &format!("7 !{} the key is no CID: not the text of a multibase", place(keyed, "\"x\"")),
        ],
    );
    found(
        r#"{"version":1,"$A":{}}"#,
        Shape::Keyed,
        &["0 !1:2 the key is no CID: not the text of a multibase", "1 $A|-|stored|{}"],
    );
    let files = r#"{"directory_cid":"$A","count":500,"files":{"a.webp":"$B","é\n":{"cid":"$C","size":3},
 "b":{"cid":"$A","name":"own"},"c":"x","d":7}}"#;
    let summary = found(
        files,
        Shape::Files,
        &[
            r#"0 $A|-|stored|{"name":"directory_cid"}"#,
            r#"1 $B|-|stored|{"name":"a.webp"}"#,
            r#"2 $C|-|stored|{"size":3,"name":"é\n"}"#,
            r#"3 $A|-|stored|{"name":"own","key":"b"}"#,
            &format!("4 !{} the key is no CID: no CID version 0 or 1", place(files, "\"c\":\"x")),
            &format!("5 !{} the key is no CID: not the text of a multibase", place(files, "\"d\":7")),
        ],
    );
    assert_eq!(summary.told_count, Some(500));
    found(
        r#"{"a":"$A","version":1,"b":"$B"}"#,
        Shape::Named,
        &[r#"0 $A|-|stored|{"name":"a"}"#, r#"1 $B|-|stored|{"name":"b"}"#],
    );
}

#[test]
fn containers_and_single_pins_are_read() {
    for (name, shape) in [("pins", Shape::Pins), ("items", Shape::Items), ("files", Shape::Files)] {
        let text = format!(r#"{{"version":1,"{name}":["$A",{{"cid":"$B"}},7],"updated":"x"}}"#);
        found(
            &text,
            shape,
            &[
                "0 $A|-|stored|{}",
                "1 $B|-|stored|{}",
                &format!("2 !{} a number is no pin", place(&text, "7],")),
            ],
        );
        found(&format!(r#"{{"{name}":{{"$A":{{"status":"failed"}}}}}}"#), shape, &["0 $A|-|failed|{}"]);
    }
    // One kind beside another.
    found(
        r#"{"pins":["$A"],"root":{"/":"$C"},"files":{"f":{"/":"$B"}}}"#,
        Shape::Pins,
        &["0 $A|-|stored|{}", r#"1 $C|-|stored|{"name":"root"}"#, r#"2 $B|-|stored|{"name":"f"}"#],
    );
    found(
        "{\"name\":\"x\",\n \"cid\":\"$A\", \"created_at\": 1714557600}",
        Shape::Single,
        &[r#"0 $A|AT|stored|{"name":"x"}"#],
    );
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

#[test]
fn the_first_name_that_holds_a_cid_counts() {
    for name in ["cid", "Cid", "CID", "hash", "Hash", "IpfsHash", "ipfs_pin_hash", "root"] {
        assert_eq!(entry(&format!(r#"{{"{name}":"$A"}}"#)), "$A|-|stored|{}");
        assert_eq!(entry(&format!(r#"{{"{name}":{{"/":"$B"}}}}"#)), "$B|-|stored|{}");
    }
    for (text, line) in [
        (r#"{"cid":null,"hash":"$A"}"#, "$A|-|stored|{}"),
        (r#"{"cid":"","Cid":null,"hash":"$A","Hash":""}"#, "$A|-|stored|{}"),
        (r#"{"hash":"$B","cid":"$A"}"#, r#"$A|-|stored|{"hash":"$B"}"#),
        (r#"{"cid":"local-7","hash":"$A"}"#, r#"$A|-|stored|{"cid":"local-7"}"#),
        (r#"{"cid":7,"pin":{"cid":"$A"}}"#, r#"$A|-|stored|{"cid":7}"#),
        (r#"{"\u0063id":"$A"}"#, "$A|-|stored|{}"),
        (r#"{"/":"$A"}"#, "$A|-|stored|{}"),
        (r#"{"cid":"$A","x":1,"cid":"$B"}"#, r#"$B|-|stored|{"cid":"$A","x":1}"#),
        (r#"{"pin":{"cid":"$A","cid2":"$B"}}"#, r#"$A|-|stored|{"pin":{"cid2":"$B"}}"#),
    ] {
        assert_eq!(entry(text), line, "{text}");
    }
}

#[test]
fn times_are_taken_and_never_made_up() {
    for (text, line) in [
        (r#""created_at":"2024-05-01T10:00:00Z""#, "AT|stored|{}"),
        (r#""created_at":"2024-05-01 12:00:00+02:00""#, "AT|stored|{}"),
        (r#""created_at":1714557600"#, "AT|stored|{}"),
        (r#""created_at":1714557600000"#, "AT|stored|{}"),
        (r#""created_at":1714557600000000000"#, "AT|stored|{}"),
        (r#""created_at":"1714557600""#, "AT|stored|{}"),
        (r#""created_at":1714557600000000001"#, r#"AT|stored|{"created_at":1714557600000000001}"#),
        (r#""created_at":null"#, "-|stored|{}"),
        (r#""created_at":"""#, r#"-|stored|{"created_at":""}"#),
        (r#""created_at":"yesterday""#, r#"-|stored|{"created_at":"yesterday"}"#),
        (r#""created_at":NaN"#, r#"-|stored|{"created_at":"NaN"}"#),
        (r#""created_at":"0001-01-01T00:00:00Z""#, r#"-|stored|{"created_at":"0001-01-01T00:00:00Z"}"#),
        (r#""created_at":null,"created":1714557600"#, r#"AT|stored|{"created":1714557600}"#),
        (
            r#""pinned_at":"2020-01-01","created_at":"2024-05-01T10:00:00Z""#,
            r#"AT|stored|{"pinned_at":"2020-01-01"}"#,
        ),
        (
            r#""created_at":"soon","createdAt":"2024-05-01T10:00:00Z""#,
            r#"AT|stored|{"created_at":"soon","createdAt":"2024-05-01T10:00:00Z"}"#,
        ),
    ] {
        assert_eq!(entry(&format!(r#"{{"cid":"$A",{text}}}"#)), format!("$A|{line}"), "{text}");
    }
    for name in ["created", "createdAt", "date_pinned", "insertedAt", "pinned_at", "timestamp", "date_queued"]
    {
        let line = entry(&format!(r#"{{"cid":"$A","{name}":1714557600}}"#));
        assert_eq!(line, format!(r#"$A|AT|stored|{{"{name}":1714557600}}"#));
    }
}

#[test]
fn words_for_a_status_are_mapped_and_unknown_ones_survive() {
    for (text, line) in [
        (r#""status":"stored""#, "stored|{}"),
        (r#""status":" STORED""#, "stored|{}"),
        (r#""status":"Failed ""#, "failed|{}"),
        (r#""status":null"#, "stored|{}"),
        (r#""status":"  ""#, "stored|{}"),
        (r#""status":"","Status":"queued""#, r#"pending|{"status":"","source_status":"queued"}"#),
        (r#""status":"Pinned""#, r#"stored|{"source_status":"Pinned"}"#),
        (r#""status":"\u0070inned""#, r#"stored|{"source_status":"\u0070inned"}"#),
        (r#""status":"pinned","source_status":"x""#, r#"stored|{"source_status":"x"}"#),
        (r#""status":"remote""#, "remote|{}"),
        (r#""status":"Archiviert""#, "archiviert|{}"),
        (r#""status":"\ud800x""#, "\u{fffd}x|{\"status\":\"\\ud800x\"}"),
        (r#""status":7"#, "7|{}"),
        (r#""status":{"a": 1}"#, r#"unknown|{"status":{"a":1}}"#),
        (r#""status":["pinned"]"#, r#"unknown|{"status":["pinned"]}"#),
    ] {
        assert_eq!(entry(&format!(r#"{{"cid":"$A",{text}}}"#)), format!("$A|-|{line}"), "{text}");
    }
    for (words, status) in [
        ("queued pinning pin_queued prechecking searching retrieving unpinning unpin_queued", "pending"),
        ("pinned", "stored"),
        ("pin_error unpin_error cluster_error error unexpectedly_unpinned expired over_free_limit", "failed"),
        ("over_max_size invalid_object bad_host_node", "failed"),
    ] {
        for word in words.split(' ') {
            let line = entry(&format!(r#"{{"cid":"$A","status":"{word}"}}"#));
            assert_eq!(line, format!(r#"$A|-|{status}|{{"source_status":"{word}"}}"#));
        }
    }
}

#[test]
fn metadata_has_all_else_as_it_was_written() {
    for (text, metadata) in [
        ("", "{}"),
        (
            r#""a":1.50e+10,"b":123456789012345678901234567890,"c":-0"#,
            r#"{"a":1.50e+10,"b":123456789012345678901234567890,"c":-0}"#,
        ),
        (r#""a" : { "b" : [ 1 , " x  y " ] }"#, r#"{"a":{"b":[1," x  y "]}}"#),
        (r#""a":"\u00e9\/\ud83d\ude00\ud800","é":"é""#, r#"{"a":"\u00e9\/\ud83d\ude00\ud800","é":"é"}"#),
        (r#""a":NaN,"b":[Infinity,-Infinity]"#, r#"{"a":"NaN","b":["Infinity","-Infinity"]}"#),
        (r#""a":1,"a":2,"a\"b":null"#, r#"{"a":1,"a":2,"a\"b":null}"#),
        (r#""metadata":{"size_bytes": 5}"#, r#"{"metadata":{"size_bytes":5}}"#),
        (r#""metadata":"{\"a\": 1}""#, r#"{"metadata":"{\"a\": 1}"}"#),
        (r#""Type":"recursive","type":"pin""#, r#"{"Type":"recursive","type":"pin"}"#),
    ] {
        let comma = if text.is_empty() { "" } else { "," };
        assert_eq!(entry(&format!(r#"{{"cid":"$A"{comma}{text}}}"#)), format!("$A|-|stored|{metadata}"));
        assert_eq!(entry(&format!(r#"{{{text}{comma}"cid":"$A"}}"#)), format!("$A|-|stored|{metadata}"));
    }
}

#[test]
fn an_entrys_own_path_counts_and_a_foreign_backend_is_told() {
    for (text, line) in [
        (r#""car_file_path":"/a/\u00e9.car""#, "{} @/a/é.car"),
        (r#""car_file_path":"""#, "{}"),
        (r#""car_file_path":null"#, "{}"),
        (r#""car_file_path":7"#, r#"{"car_file_path":7}"#),
        (r#""backend_name":"x""#, "{}"),
        (r#""backend_name":null"#, "{}"),
        (r#""backend_name":"y""#, r#"{"backend_name":"y"} other"#),
        (r#""backend_name":["x"]"#, r#"{"backend_name":["x"]} other"#),
    ] {
        assert_eq!(entry(&format!(r#"{{"cid":"$A",{text}}}"#)), format!("$A|-|stored|{line}"), "{text}");
    }
    let summary =
        read_text(r#"[{"cid":"$A","backend_name":"y"},{"cid":"$A","backend_name":"x"}]"#).1.unwrap();
    assert_eq!((summary.found, summary.other_backend), (2, 1));
}

/// The defects of the older migration (facts/ipfs_kit.md §4) that lie in how it read its input.
#[test]
fn what_the_older_migration_got_wrong_is_read_right() {
    // 16: texts that are no CIDs; 13 and 15: numbers and forms of time among each other.
    let mixed = r#"["pins","QmTestCID123456789abcdef","https://a.b/c"," ",
{"cid":"$A","created_at":1714557600,"status":1},{"cid":"$B","created_at":"2024-05-01T10:00:00.000001"},
{"cid":7},{"cid":"$C","created_at":"soon"}]"#;
    let (shown, summary) = read_text(mixed);
    assert_eq!(summary.map(|summary| (summary.found, summary.rejected)), Ok((3, 5)));
    assert_eq!(shown.lines[4..6], ["4 $A|AT|1|{}", "5 $B|1714557600000001|stored|{}"]);
    assert_eq!(shown.lines[7], r#"7 $C|-|stored|{"created_at":"soon"}"#);
    // 20: an sshfs backend has its own paths.
    let mut path = String::new();
    CarPaths::new("nas-sshfs", None).write("c", &mut path);
    assert_eq!(path, "/sshfs-mount/cars/c.car");
}

#[test]
fn the_sinks_error_stops_the_reading() {
    struct Full(u32);
    impl Sink for Full {
        type Error = &'static str;
        fn pin(&mut self, _: Pin<'_>) -> Result<(), &'static str> {
            self.0 += 1;
            if self.0 == 2 { Err("full") } else { Ok(()) }
        }
        fn reject(&mut self, _: Reject<'_>) -> Result<(), &'static str> {
            Err("reject")
        }
    }
    let mut sink = Full(0);
    let text = with_cids(r#"["$A","$B","$C"]"#);
    let failed = read(text.as_bytes(), "x", &CarPaths::new("x", None), &mut sink);
    assert!(matches!(failed, Err(Failed::Sink("full"))) && sink.0 == 2);
    let failed = read(&b"[1]"[..], "x", &CarPaths::new("x", None), &mut sink);
    assert!(matches!(failed, Err(Failed::Sink("reject"))));
}

/// Values of JSON: of serde_json, which keeps numbers as written.
fn values() -> impl Strategy<Value = serde_json::Value> {
    let number =
        prop_oneof!["-?(0|[1-9][0-9]{0,30})", "-?(0|[1-9][0-9]{0,3})\\.[0-9]{1,9}([eE][+-]?[0-9]{1,3})?"];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<String>().prop_map(serde_json::Value::from),
        number.prop_map(|text| serde_json::from_str(&text).unwrap()),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The metadata of the only pin.
struct Metadata(Vec<String>);

impl Sink for Metadata {
    type Error = String;
    fn pin(&mut self, pin: Pin<'_>) -> Result<(), String> {
        self.0.push(pin.mapping.metadata.unwrap_or_default().to_owned());
        Ok(())
    }
    fn reject(&mut self, reject: Reject<'_>) -> Result<(), String> {
        Err(reject.reason.to_owned())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_else_an_entry_says_comes_back_through_its_metadata(
        members in prop::collection::vec(("x\\PC{0,8}", values()), 0..8), pretty in any::<bool>()
    ) {
        let mut object: serde_json::Map<String, serde_json::Value> = members.into_iter().collect();
        let expected = serde_json::Value::Object(object.clone());
        object.insert("cid".into(), A.into());
        let list = serde_json::Value::from(vec![serde_json::Value::Object(object)]);
        let text = if pretty { serde_json::to_string_pretty(&list) } else { serde_json::to_string(&list) };
        let mut sink = Metadata(Vec::new());
        let read = read(text.unwrap().as_bytes(), "x", &CarPaths::new("x", None), &mut sink);
        prop_assert!(read.is_ok(), "{:?}", read);
        let metadata: serde_json::Value = serde_json::from_str(&sink.0[0]).unwrap();
        prop_assert_eq!(metadata, expected);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_bytes(&bytes);
    }

    #[test]
    fn changed_files_are_read_or_refused(
        which in 0usize..4, changes in prop::collection::vec((any::<usize>(), prop::sample::select(
            &b"\"\\[]{}:,0-.eEtnN/\n\xc3\xff aQb7"[..])), 1..4),
        cut in prop::option::of(any::<usize>()),
    ) {
        let file = [
            r#"[{"cid":"$A","status":"pinned","pin":{"cid":"$B"},"peer_map":{"a":{"status":"x"}},"created_at":1.5},"$C"]"#,
            r#"{"count":2,"results":[{"pin":{"cid":"$A","name":"é"}}],"Keys":{"$B":{"Type":"recursive"},"x":"$C"}}"#,
            "{\"Cid\":\"$A\",\"Name\":\"\\ud800\"}\n{\"Message\":\"m\",\"Type\":\"error\"}\n{\"root\":{\"/\":\"$C\"}}",
            r#"{"$A":null,"v":1,"$B":"failed","$C":{"metadata":{"size":NaN},"car_file_path":"/a"}}"#,
        ][which];
        let mut bytes = with_cids(file).into_bytes();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        bytes.truncate(cut.map_or(bytes.len(), |cut| cut % bytes.len()));
        let _ = read_bytes(&bytes);
    }
}

#[test]
fn huge_values_and_deep_ones_do_no_harm() {
    let digits = "7".repeat(100_000);
    let text = format!(r#"[{{"cid":"$A","n":{digits},"created_at":{digits},"status":{digits}}}]"#);
    let (shown, summary) = read_text(&text);
    assert!(summary.is_ok() && shown.lines[0].len() > 300_000);
    let letters = "b".repeat(1_000_000);
    let text = format!(r#"["{letters}", {{"{letters}":1,"cid":"{letters}"}}]"#);
    assert_eq!(read_text(&text).1.map(|summary| summary.rejected), Ok(2));
    for opening in ["[", "{\"a\":", "[{\"cid\":[", "{\"pins\":{\"a\":[", "{\"$A\":[{\"x\":"] {
        assert!(read_text(&opening.repeat(20_000)).1.is_err(), "{opening}");
    }
    let many = format!("{{{}}}", vec!["\"key\": [1, 2, 3, 4]"; 1_000_000].join(","));
    let error = read(many.as_bytes(), "x", &CarPaths::new("x", None), &mut Shown::default());
    assert!(format!("{error:?}").contains("no pins in the first 16 MiB"), "{error:?}");
}
