//! Files of every tool that writes some: which shape each has, and the pins in it.

use super::*;

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
