//! The tables `registry`, `buckets` and `dirty`: both sets of columns, damage, and no secrets.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use pinql::session::{Options, Session};

use super::kit::{By, SECRETS, kit, parquet};
use crate::support::tree::Tree;
use crate::support::{csv, error, runtime, try_csv};

#[test]
fn a_registry_reads_the_same_whoever_wrote_it() {
    let sql = "SELECT name, type, endpoint, status, last_check, response_time_ms, error_count, error, pin_count, storage_bytes, is_dirty, last_sync, written_by FROM registry ORDER BY name";
    assert_eq!(
        csv(&kit(By::Daemon).root(), sql),
        "name,type,endpoint,status,last_check,response_time_ms,error_count,error,pin_count,storage_bytes,is_dirty,last_sync,written_by\n\
         elsewhere,ftp,,unhealthy,,,3,,0,0,,,daemon\n\
         local_disk,filesystem,/srv/ipfs,healthy,2025-07-30T12:00:00Z,30.5,0,,2,20,,,daemon\n\
         s3_main,s3,https://s3.example.org:9000,healthy,2025-07-30T10:00:00Z,10.5,0,,4,40,,,daemon"
    );
    assert_eq!(
        csv(&kit(By::Cli).root(), sql),
        "name,type,endpoint,status,last_check,response_time_ms,error_count,error,pin_count,storage_bytes,is_dirty,last_sync,written_by\n\
         elsewhere,ftp,,unreachable,2025-07-30T10:00:00Z,,,GET ftp://…@host/x?…,,,,,cli\n\
         local_disk,filesystem,,configured,2025-07-30T10:00:00.500Z,,,,,,true,,cli\n\
         s3_main,s3,https://s3.example.org:9000,online,2025-07-30T10:00:00Z,,,,,,false,2025-07-30T10:00:00Z,cli"
    );
}

#[test]
fn buckets_read_the_same_whoever_wrote_them() {
    let sql = "SELECT name, type, backends, status, pin_count, file_count, size_bytes, needs_backup, last_backup, last_updated, written_by FROM buckets WHERE source LIKE 'bucket_index/%' ORDER BY name";
    assert_eq!(
        csv(&kit(By::Daemon).root(), sql),
        "name,type,backends,status,pin_count,file_count,size_bytes,needs_backup,last_backup,last_updated,written_by\n\
         papers,,\"[\"\"github\"\"]\",,2,,,false,2199-01-01T00:00:00Z,,daemon\n\
         photos,,\"[\"\"s3_main\"\",\"\"local_disk\"\"]\",healthy,5,,,true,2025-07-30T09:00:00Z,2025-07-30T10:00:00Z,daemon"
    );
    assert_eq!(
        csv(&kit(By::Cli).root(), sql),
        "name,type,backends,status,pin_count,file_count,size_bytes,needs_backup,last_backup,last_updated,written_by\n\
         papers,standard,[],,,0,0,,,2025-07-30T10:00:00Z,cli\n\
         photos,standard,\"[\"\"s3_main\"\",\"\"local_disk\"\"]\",,,3,1024,,,2025-07-30T10:00:00Z,cli"
    );
}

/// A registry of the bucket manager, with secrets in it.
fn buckets_of_manager() -> RecordBatch {
    let texts = |values: &[&str]| -> ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
    RecordBatch::try_from_iter([
        ("bucket_id", texts(&["s3:photos", "local:attic"])),
        ("backend", texts(&["s3_main", "local_disk"])),
        ("bucket_name", texts(&["photos", "attic"])),
        ("bucket_type", texts(&["standard", "archive"])),
        ("vfs_structure", texts(&["hybrid", "unixfs"])),
        ("bucket_path", texts(&["s3://AKIDSECRET:hunter2@s3.example.org/photos?sig=hunter2", "/srv/attic"])),
        ("vfs_index_path", texts(&["/srv/vfs/photos", "/srv/vfs/attic"])),
        ("pin_metadata_path", texts(&["/srv/pins/photos", "/srv/pins/attic"])),
        ("created_at", texts(&["2025-07-30T10:00:00", "2025-07-30T11:00:00"])),
        ("backend_config_json", texts(&["{\"token\": \"hunter2\"}", "{}"])),
        ("metadata_json", texts(&["{\"password\": \"hunter2\"}", "{}"])),
    ])
    .unwrap()
}

const JSON: &str = r#"{"s3:photos": {"bucket_id": "s3:photos", "backend": "s3_main", "bucket_name": "photos", "bucket_type": "standard",
    "vfs_structure": "hybrid", "storage_path": "s3://AKIDSECRET:hunter2@s3.example.org/photos", "vfs_index_path": "/srv/vfs/photos",
    "pin_metadata_path": "/srv/pins/photos", "created_at": "2025-07-30T10:00:00", "backend_config": {"token": "hunter2"},
    "metadata": {"password": "hunter2"}}}"#;

#[test]
fn each_file_that_tells_of_a_bucket_has_a_row() {
    let tree = kit(By::Daemon);
    parquet(&tree.root(), "bucket_registry.parquet", buckets_of_manager());
    fs::write(tree.root().join("bucket_registry.json"), JSON).unwrap();
    fs::write(
        tree.root().join("bucket_configs/attic.yml"),
        "bucket_type: archive\nbackend_bindings: local_disk, github\ncreated_at: 2025-07-30T10:00:00\n",
    )
    .unwrap();
    fs::write(tree.root().join("bucket_configs/notes.txt"), "no bucket").unwrap();
    assert_eq!(
        csv(
            &tree.root(),
            "SELECT name, type, array_to_string(backends, ' ') AS backends, created_at, written_by, source FROM buckets ORDER BY source, name"
        ),
        "name,type,backends,created_at,written_by,source\n\
         attic,archive,local_disk github,2025-07-30T10:00:00Z,configuration,bucket_configs/attic.yml\n\
         photos,standard,s3_main local_disk,,configuration,bucket_configs/photos.yaml\n\
         papers,,github,,daemon,bucket_index/bucket_registry.parquet\n\
         photos,,s3_main local_disk,,daemon,bucket_index/bucket_registry.parquet\n\
         photos,standard,s3_main,2025-07-30T10:00:00Z,bucket manager,bucket_registry.json\n\
         attic,archive,local_disk,2025-07-30T11:00:00Z,bucket manager,bucket_registry.parquet\n\
         photos,standard,s3_main,2025-07-30T10:00:00Z,bucket manager,bucket_registry.parquet"
    );
    // Both forms of the one registry say the same.
    let same = "SELECT DISTINCT id, vfs_structure, vfs_index_path, pin_metadata_path FROM buckets WHERE id = 's3:photos'";
    assert_eq!(
        csv(&tree.root(), same),
        "id,vfs_structure,vfs_index_path,pin_metadata_path\ns3:photos,hybrid,/srv/vfs/photos,/srv/pins/photos"
    );
    let all = csv(&tree.root(), "SELECT * FROM buckets");
    assert!(
        all.contains("@s3.example.org/photos") && SECRETS.iter().all(|secret| !all.contains(secret)),
        "{all}"
    );
    let output = tree.output(&["daemon", "intelligent", "insights", "--json"]);
    let insights: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        insights["bucket_analysis"]["bucket_backend_distribution"],
        serde_json::json!({"attic": 2, "papers": 1, "photos": 2})
    );
}

#[test]
fn a_damaged_configuration_of_a_bucket_is_named_and_the_others_go_on() {
    let tree = kit(By::Daemon);
    let place = tree.root().join("bucket_configs/torn.yaml");
    let long = format!("name: torn\nnote: {}\n", "x".repeat(1 << 20));
    for (text, words) in [
        ("name: [hunter2\n", "no YAML of a bucket"),
        ("- hunter2\n", "no YAML of a bucket"),
        ("backend_bindings: 7\ntoken: hunter2\n", "its backends are no list of names"),
        (&long, "more than a configuration has"),
    ] {
        fs::write(&place, text).unwrap();
        let found = csv(&tree.root(), "SELECT name, problem FROM buckets WHERE problem IS NOT NULL");
        let told = "name,problem\ntorn,";
        assert!(
            found.starts_with(told) && found.contains("bucket_configs/torn.yaml: ") && found.contains(words),
            "{found}"
        );
        assert!(!found.contains("hunter2"), "{found}");
        assert_eq!(csv(&tree.root(), "SELECT COUNT(*) AS n FROM buckets WHERE problem IS NULL"), "n\n3");
        let said = tree.run(&["daemon", "intelligent", "insights"]);
        assert!(
            said.contains("unreadable, for buckets: bucket_configs/torn.yaml: ")
                && said.ends_with("--- exit 1"),
            "{said}"
        );
    }
    fs::remove_file(&place).unwrap();
    std::os::unix::fs::symlink("/etc/hosts", &place).unwrap();
    let found = csv(&tree.root(), "SELECT problem FROM buckets WHERE name = 'torn'");
    assert!(found.contains("a link that leaves the data directory"), "{found}");
}

#[test]
fn what_waits_to_be_synced_is_told_from_all_notes() {
    let tree = kit(By::Daemon);
    let sql = "SELECT * FROM dirty ORDER BY backend_name";
    let head = "backend_name,is_dirty,actions,unsynced_actions,affected_cids,reason,marked_at,last_updated,last_sync,has_flag,problem\n";
    // An action that does not say that it is synced is not.
    let s3 = "s3_main,true,3,2,1,,2025-07-30T10:00:00Z,2025-07-30T10:00:02.500Z,,false,";
    let github = "github,false,0,0,0,token=…,2025-07-30T10:00:00Z,,2025-07-30T11:00:00Z,false,\n";
    assert_eq!(csv(&tree.root(), sql), format!("{head}{github}local_disk,true,0,0,0,,,,,true,\n{s3}"));
    let note = tree.root().join("backend_index/dirty_metadata/local_disk_dirty.json");
    for text in ["", "{", "[]", "{\"pending_actions\": 7, \"secret\": \"hunter2\"}", "\u{feff}{}"] {
        fs::write(&note, text).unwrap();
        let found = csv(&tree.root(), sql);
        let line = found.lines().find(|line| line.starts_with("local_disk")).unwrap();
        let told = "local_disk,true,,,,,,,,true,\"backend_index/dirty_metadata/local_disk_dirty.json: line ";
        assert!(line.starts_with(told) && line.ends_with("no JSON of a note\""), "{text}: {line}");
        assert!(found.ends_with(s3), "{found}");
    }
}

#[test]
fn nothing_noted_is_a_table_without_rows_and_nothing_is_created() {
    let tree = Tree::new();
    fs::remove_dir(tree.root().join("backends")).unwrap();
    for table in ["registry", "buckets", "dirty"] {
        assert_eq!(csv(&tree.root(), &format!("SELECT COUNT(*) AS n FROM {table}")), "n\n0", "{table}");
    }
    assert_eq!(fs::read_dir(tree.root()).unwrap().count(), 0);
}

#[test]
fn a_damaged_registry_is_an_error_that_names_it_and_pins_go_on() {
    let tree = kit(By::Daemon);
    fs::write(tree.root().join("bucket_registry.json"), "[]").unwrap();
    fs::copy(
        tree.root().join("bucket_index/bucket_registry.parquet"),
        tree.root().join("bucket_registry.parquet"),
    )
    .unwrap();
    for (table, file) in [
        ("registry", "backend_index/backend_registry.parquet"),
        ("buckets", "bucket_index/bucket_registry.parquet"),
        ("buckets", "bucket_registry.parquet"),
        ("buckets", "bucket_registry.json"),
    ] {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        let place = tree.root().join(file);
        let whole = fs::read(&place).unwrap();
        for bytes in [&b"PAR1"[..], b"", &whole[..whole.len() / 2], b"name,type\ns3,s3\n"] {
            fs::write(&place, bytes).unwrap();
            let words = error(&tree.root(), &sql);
            assert!(words.starts_with(&format!("cannot read {file}: ")), "{words}");
        }
        fs::remove_file(&place).unwrap();
        fs::create_dir(&place).unwrap();
        assert_eq!(error(&tree.root(), &sql), format!("cannot read {file}: not a file"));
        fs::remove_dir(&place).unwrap();
        std::os::unix::fs::symlink("/etc/hosts", &place).unwrap();
        let words = error(&tree.root(), &sql);
        assert!(words.contains("a link that leaves the data directory"), "{words}");
        assert_eq!(csv(&tree.root(), "SELECT COUNT(*) AS n FROM pins"), "n\n8");
        fs::remove_file(&place).unwrap();
    }
}

#[test]
fn registries_travel_in_plans() {
    let tree = kit(By::Cli);
    runtime().block_on(async {
        let session = Session::open(&tree.root(), Options::default()).unwrap();
        let plan = session.encode_plan("SELECT name FROM registry WHERE status = 'online'").await.unwrap();
        let answer = crate::support::as_csv(session.run_plan(&plan).await.unwrap()).await.unwrap();
        assert_eq!(answer, "name\ns3_main");
    });
}

#[test]
fn secrets_are_in_no_table() {
    for by in [By::Daemon, By::Cli] {
        let tree = kit(by);
        for table in ["registry", "buckets", "dirty", "backends", "records"] {
            let found = try_csv(&tree.root(), &format!("SELECT * FROM {table}"), Options::default()).unwrap();
            assert!(SECRETS.iter().all(|secret| !found.contains(secret)), "{table}: {found}");
        }
    }
}
