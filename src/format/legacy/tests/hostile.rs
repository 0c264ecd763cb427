//! Any bytes, huge values, and a sink that wants no more.

use proptest::prelude::*;

use super::*;

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
