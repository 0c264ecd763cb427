//! One entry: its CID, time, status, metadata and path.

use super::*;

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

/// The defects of the older migration that lie in how it read its input.
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
