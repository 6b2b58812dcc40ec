//! Layers: which one wins, and how each kind of mistake is named.

use std::path::Path;

use super::*;

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn layers(path: &Path) -> Layers {
    Layers { file: Some(path.to_owned()), ..Layers::default() }
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What is wrong, each with its place behind the name of the file.
fn troubles(layers: &Layers) -> Vec<String> {
    let Err(error) = layers.load() else { return Vec::new() };
    let each = error.troubles.into_iter().map(|trouble| {
        let place = match &layers.file {
            Some(path) => trouble.place.replace(&path.display().to_string(), "FILE"),
            None => trouble.place,
        };
        let hint = trouble.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{place}: {}{hint}", trouble.what)
    });
    each.collect()
}

#[test]
fn the_nearer_layer_wins_and_each_value_knows_where_it_comes_from() {
    let text = "listen = \"127.0.0.1:1\"\nstore = \"sqlite:file.db\"\nretention = \"1d\"\n\n[http]\nbody_bytes_max = 1000\n\n\
        [env.production]\nretention = \"never\"\n[env.production.http]\nbody_bytes_max = \"2 MiB\"\nstreams_max = 7\n";
    let file = file(text);
    let mut layers = layers(file.path());
    let origins = |settings: &Settings, name: &str| {
        let (value, origin) = settings.get(name).unwrap();
        let kind = Key::find(name).unwrap().kind;
        (value.shown(kind), origin.to_string().replace(&file.path().display().to_string(), "FILE"))
    };
    let own = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    let settings = layers.load().unwrap();
    assert_eq!(origins(&settings, "http.body_bytes_max"), own("1000", "FILE:6"));
    assert_eq!(origins(&settings, "http.streams_max"), own("1024", "default"));
    layers.env = Some("production".to_owned());
    layers.variables =
        variables(&[("MAINSPRING_HTTP__STREAMS_MAX", "9"), ("MAINSPRING_URL", "http://x"), ("MAINSPRING_LISTEN", "")]);
    layers.flags = vec![("store", "memory:".to_owned())];
    let settings = layers.load().unwrap();
    assert_eq!(origins(&settings, "retention"), own("never", "FILE:9 [env.production]"));
    assert_eq!(origins(&settings, "http.body_bytes_max"), own("2097152", "FILE:11 [env.production]"));
    assert_eq!(origins(&settings, "http.streams_max"), own("9", "MAINSPRING_HTTP__STREAMS_MAX"));
    assert_eq!(origins(&settings, "store"), own("memory:", "--store"));
    assert_eq!(origins(&settings, "listen"), own("127.0.0.1:1", "FILE:1"), "an empty variable says nothing");
    let config = settings.serve_config();
    assert_eq!((config.node.retention_ms, config.http.streams_max, config.http.body_bytes_max), (None, 9, 2 << 20));
    assert_eq!(config.listen.port(), 1);
}

#[test]
fn every_mistake_is_named_with_its_place_and_the_nearest_name() {
    let text = "lisen = \"x\"\nretention = true\n[htttp]\nx = 1\n[http]\nbody_byte_max = 1\nstreams_max = 0\n[env.prod]\nstor = \"a\"\n";
    let file = file(text);
    let mut layers = layers(file.path());
    assert_eq!(
        troubles(&layers),
        [
            "FILE:1:1: unknown key `lisen` (did you mean `listen`?)",
            "FILE:3:2: unknown table `htttp` (did you mean `http`?)",
            "FILE:6:1: unknown key `http.body_byte_max` (did you mean `http.body_bytes_max`?)",
            "FILE:9:1: unknown key `stor` (did you mean `store`?)",
        ]
    );
    std::fs::write(file.path(), "retention = true\n[http]\nstreams_max = 0\n[env.prod]\n").unwrap();
    layers.env = Some("prd".to_owned());
    layers.variables = variables(&[
        ("MAINSPRING_HTTP__STREAM_MAX", "1"),
        ("MAINSPRING_LISTNE", "1"),
        ("MAINSPRING_SERVICE_HOST", "10.0.0.1"),
        ("MAINSPRING_PORT_7070_TCP", "tcp://10.0.0.1:7070"),
        ("MAINSPRING_TASK_ID", "t"),
    ]);
    let found = troubles(&layers);
    assert!(
        found.contains(&"FILE:1:1: there is no `[env.prd]` in it; it has prod (did you mean `prod`?)".to_owned()),
        "{found:?}"
    );
    let named = |place: &str| found.iter().filter(|trouble| trouble.starts_with(place)).count();
    assert_eq!((named("MAINSPRING_HTTP__STREAM_MAX"), named("MAINSPRING_LISTNE"), found.len()), (1, 1, 3), "{found:?}");
    layers = Layers { file: layers.file, ..Layers::default() };
    let mut found = troubles(&layers);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "FILE:1:13: `retention`: a truth value is not `never`, a number of seconds, or a text, as in `7d`",
            "FILE:3:15: `http.streams_max`: `0` is not a number from 1",
        ]
    );
    std::fs::write(file.path(), "listen = \n").unwrap();
    assert!(troubles(&layers)[0].starts_with("FILE:1:"), "{:?}", troubles(&layers));
    layers.file = Some("nowhere.toml".into());
    assert!(troubles(&layers)[0].contains("cannot be read"));
}

#[test]
fn a_secret_is_read_from_its_file_and_shown_without_its_password() {
    let secret = file("postgres://app:hunter2@db/main\n");
    let path = secret.path().display().to_string();
    let empty = file("");
    let mut layers = layers(empty.path());
    layers.variables = variables(&[("MAINSPRING_STORE_FILE", &path)]);
    let settings = layers.load().unwrap();
    assert_eq!(settings.serve_config().store_url, "postgres://app:hunter2@db/main");
    let (value, origin) = settings.get("store").unwrap();
    assert!(!value.shown(Kind::Store).contains("hunter2"), "{value:?}");
    assert_eq!(origin.to_string(), format!("MAINSPRING_STORE_FILE={path}"));
    layers.variables = variables(&[("MAINSPRING_STORE_FILE", &path), ("MAINSPRING_STORE", "memory:")]);
    assert_eq!(troubles(&layers), ["MAINSPRING_STORE_FILE: `MAINSPRING_STORE` is set too (set one of them)"]);
    layers.variables = variables(&[("MAINSPRING_STORE_FILE", "/nowhere/secret")]);
    assert!(troubles(&layers)[0].contains("cannot be read"));
    // What is wrong with a secret is said without it.
    layers.variables = variables(&[("MAINSPRING_STORE", "hunter2")]);
    assert!(!troubles(&layers)[0].contains("hunter2"));
}

#[test]
fn the_schema_has_every_key() {
    let schema = config_schema();
    for key in KEYS {
        let pointer = match key.name.split_once('.') {
            None => format!("/properties/{}", key.name),
            Some((table, name)) => format!("/properties/{table}/properties/{name}"),
        };
        let description = schema.pointer(&format!("{pointer}/description"));
        assert!(
            description.is_some_and(|text| text.as_str().is_some_and(|text| text.starts_with(key.about))),
            "{}",
            key.name
        );
    }
}
