//! The configuration of a server: shown, checked, reloaded.

use serde_json::Value;

use crate::site::{Site, folder_with, mainspring, run_in};

#[test]
fn each_setting_is_shown_with_its_origin_and_without_passwords() {
    let text = "store = \"postgres://app:hunter2@db/main\"\n[env.staging]\nlisten = \"127.0.0.1:9\"\n";
    let folder = folder_with("mainspring.toml", text);
    let shown = run_in(folder.path(), &["config", "show", "--env", "staging"]).expect(0).out;
    let line = |key: &str| shown.lines().find(|line| line.starts_with(key)).expect(key).to_owned();
    assert!(
        line("listen").contains("127.0.0.1:9") && line("listen").contains("mainspring.toml:3 [env.staging]"),
        "{shown}"
    );
    assert!(line("store").contains("***") && !shown.contains("hunter2"), "{shown}");
    assert!(line("log.level").contains("default"), "{shown}");
    let output = mainspring()
        .current_dir(folder.path())
        .args(["config", "show", "-o", "json", "--store", "memory:"])
        .env("MAINSPRING_LOG__LEVEL", "debug")
        .output()
        .expect("the binary starts");
    let settings: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let setting =
        |key: &str| settings.as_array().unwrap().iter().find(|setting| setting["key"] == key).unwrap().clone();
    assert_eq!((&setting("store")["value"], &setting("store")["origin"]), (&"memory:".into(), &"--store".into()));
    assert_eq!(setting("log.level")["origin"], "MAINSPRING_LOG__LEVEL");
    assert_eq!(setting("log.level")["live"], true);
}

#[test]
fn a_wrong_configuration_starts_nothing_and_is_named_with_its_place() {
    let folder = folder_with("mainspring.toml", "lisen = \"127.0.0.1:9\"\n");
    for arguments in [&["config", "validate"][..], &["serve"], &["dev"], &["config", "show"]] {
        let ended = run_in(folder.path(), arguments).expect(8);
        assert!(
            ended.err.contains("mainspring.toml:1:1") && ended.err.contains("did you mean `listen`?"),
            "{}",
            ended.err
        );
    }
    let other = run_in(folder.path(), &["config", "validate", "--config", "other.toml"]).expect(8);
    assert!(other.err.contains("other.toml"), "{}", other.err);
    std::fs::write(folder.path().join("mainspring.toml"), "retention = \"never\"\n").expect("the file can be written");
    assert_eq!(run_in(folder.path(), &["config", "validate"]).expect(0).out, "mainspring.toml: valid\n");
}

#[test]
fn a_running_server_reads_its_configuration_again() {
    let site = Site::dev();
    assert_eq!(site.run(&["config", "reload"]).expect(0).out, "nothing has changed\n");
}
