//! The table `rejects`: what migrations could not take for a pin.

use pinql::session::{Options, Session};

use crate::support::cids::v1;
use crate::support::tree::Tree;
use crate::support::{as_csv, error, runtime, try_csv};

const ALL: &str =
    "SELECT backend_name, entry, line, \"column\", reason, entry_text FROM rejects ORDER BY 1, 2, 6";

#[test]
fn rejects_of_all_backends_are_one_table() {
    let tree = Tree::new();
    assert_eq!(tree.csv(ALL), "backend_name,entry,line,column,reason,entry_text");
    tree.pins_json("s3", format!("[\"{}\",\n  \"nonsense\"]", v1(1)));
    tree.pins_json("github", format!("[7, \"{}\"]", v1(1)));
    tree.pins_json("clean", format!("[\"{}\"]", v1(1)));
    tree.migrate();
    assert_eq!(
        tree.csv(ALL),
        "backend_name,entry,line,column,reason,entry_text\n\
         github,0,1,2,a number is no pin,7\n\
         s3,1,2,3,not a CID: not the text of a multibase,\"\"\"nonsense\"\"\""
    );
    assert_eq!(
        tree.csv("SELECT DISTINCT source_modified_at FROM rejects"),
        "source_modified_at\n2024-06-01T00:00:00Z"
    );
    assert_eq!(tree.csv("SELECT COUNT(*) AS n FROM rejects WHERE backend_name = 's3'"), "n\n1");
    assert_eq!(tree.csv("SELECT COUNT(*) AS n FROM rejects JOIN backends ON name = backend_name"), "n\n2");
    // They are listed beside the other tables, and are not pins.
    let names = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'main' ORDER BY 1";
    assert_eq!(
        tree.csv(names),
        "table_name\nbackend_history\nbackends\nbuckets\ndirty\nhistory\npins\nprice_classes\nprices\nrecords\nregistry\nrejects"
    );
    assert_eq!(tree.csv("SELECT COUNT(*) AS n FROM pins"), "n\n3");
    // A directory that was renamed takes its rejects with it.
    std::fs::rename(tree.file("s3", ""), tree.root().join("backends/s3_old")).unwrap();
    assert_eq!(tree.csv("SELECT backend_name FROM rejects WHERE entry = 1"), "backend_name\ns3_old");
}

#[test]
fn the_rejects_of_one_file_are_listed_once_and_those_of_others_stay() {
    let tree = Tree::new();
    let first = format!("[\"{}\", 1, \"x\"]", v1(1));
    for text in [&first, &first, &format!("[\"{}\", true]", v1(2)), &first] {
        tree.pins_json("s3", text);
        tree.migrate();
    }
    let rows = tree.csv("SELECT entry, entry_text FROM rejects ORDER BY entry, entry_text");
    assert_eq!(rows, "entry,entry_text\n1,1\n1,true\n2,\"\"\"x\"\"\"");
    // The same file at another time, as when a backup of it is put back.
    tree.write("s3", "pins.json", &first);
    let before = tree.files("s3")["pin_rejects.parquet"].clone();
    tree.migrate();
    assert_eq!(tree.csv("SELECT COUNT(*) AS n FROM rejects"), "n\n3");
    assert_eq!(tree.files("s3")["pin_rejects.parquet"], before);
}

#[test]
fn a_file_of_rejects_that_cannot_be_read_is_named_or_skipped() {
    let tree = Tree::new();
    tree.pins_json("good", format!("[\"{}\", 1]", v1(1)));
    tree.migrate();
    let mappings = tree.files("good")["pin_mappings.parquet"].clone();
    let skipping = || Options { skip_unreadable: true, ..Options::default() };
    for (bytes, words) in [
        (b"not parquet".to_vec(), "not a Parquet file"),
        (Vec::new(), "the file is empty (0 bytes)"),
        (mappings, "not a file of rejects: it has no column `source_modified_at`"),
    ] {
        tree.write("bad", "pin_rejects.parquet", &bytes);
        let message = error(&tree.root(), ALL);
        let expected = format!("backend `bad` is unreadable: backends/bad/pin_rejects.parquet: {words}");
        assert!(message.starts_with(&expected), "{message}");
        let rows = try_csv(&tree.root(), "SELECT backend_name FROM rejects", skipping()).unwrap();
        assert_eq!(rows, "backend_name\ngood");
        // Those who do not ask for them are not troubled.
        assert_eq!(tree.csv("SELECT COUNT(*) AS n FROM pins"), "n\n1");
        assert_eq!(tree.csv("SELECT COUNT(*) AS n FROM rejects WHERE backend_name = 'good'"), "n\n1");
    }
}

#[cfg(unix)]
#[test]
fn links_to_rejects_are_followed_inside_of_the_root_only_and_once() {
    use std::os::unix::fs::symlink;
    let (tree, outside) = (Tree::new(), Tree::new());
    for tree in [&tree, &outside] {
        tree.pins_json("real", format!("[\"{}\", 1]", v1(1)));
        tree.migrate();
    }
    let backends = tree.root().join("backends");
    symlink("real", backends.join("alias")).unwrap();
    symlink("../real/pin_rejects.parquet", tree.file("linked", "pin_rejects.parquet")).unwrap();
    let rows = tree.csv("SELECT COUNT(*) AS n FROM rejects");
    assert_eq!(rows, "n\n1");
    symlink(outside.file("real", "pin_rejects.parquet"), tree.file("out", "pin_rejects.parquet")).unwrap();
    let message = error(&tree.root(), ALL);
    assert!(
        message.contains("backend `out` is unreadable") && message.contains("leaves the data directory"),
        "{message}"
    );
}

#[test]
fn a_plan_over_rejects_travels_as_others_do() {
    let tree = Tree::with("s3", format!("[\"{}\", 1]", v1(1)));
    tree.migrate();
    let rows = runtime().block_on(async {
        let session = Session::open(&tree.root(), Options::default()).unwrap();
        let plan = session.encode_plan("SELECT backend_name, entry, reason FROM rejects").await.unwrap();
        as_csv(session.run_plan(&plan).await.unwrap()).await.unwrap()
    });
    assert_eq!(rows, "backend_name,entry,reason\ns3,1,a number is no pin");
}
