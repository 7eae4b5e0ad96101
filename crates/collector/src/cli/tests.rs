use columns::Compression;

use super::*;
use crate::settings::{Format, Retention, Target};

fn parse_words(words: &str) -> Result<Invocation, UsageError> {
    let arguments = ["certstream-arrow"].into_iter().chain(words.split_whitespace());
    parse(arguments.map(OsString::from), [])
}

fn settings_of(words: &str) -> Settings {
    match parse_words(words) {
        Ok(Invocation::Collect { settings, .. }) => *settings,
        other => panic!("{words}: {other:?}"),
    }
}

#[test]
fn defaults_collect_lite_messages_into_one_file() {
    let settings = settings_of("");
    assert_eq!(settings.address.name(), "ws://127.0.0.1:8080");
    assert_eq!(settings.buffer_size, 1000);
    assert_eq!(settings.flush_interval, Duration::from_secs(10));
    assert_eq!(settings.output.target, Target::File("certstream_data.feather".into()));
    assert_eq!(settings.output.compression, Compression::Zstd);
    assert_eq!(settings.rows, Rows::Certificates { with_der: false });
    assert_eq!(settings.stats, Some(STATS));
}

#[test]
fn formats_rotation_and_stores_make_parts() {
    for (words, folder, format, rotation, store) in [
        ("--format parquet", "certstream_data", Format::Parquet, (None, Some(600)), None),
        ("-o x.parquet", "x.parquet", Format::Parquet, (None, Some(600)), None),
        ("-o x.feather --rotate 1h", "x.feather", Format::Feather, (None, Some(3600)), None),
        (
            "-o ct.example.org --rotate 1h",
            "ct.example.org",
            Format::Feather,
            (None, Some(3600)),
            None,
        ),
        ("-o x --rotate 1h", "x", Format::Feather, (None, Some(3600)), None),
        ("-o x --rotate 512MB", "x", Format::Feather, (Some(512_000_000), None), None),
        ("-o x --rotate 1d,1GB", "x", Format::Feather, (Some(1_000_000_000), Some(86_400)), None),
        ("-o s3://b/p", "certstream_spool", Format::Feather, (None, Some(600)), Some("s3://b/p")),
    ] {
        let Target::Parts(parts) = settings_of(words).output.target else { panic!("{words}") };
        assert_eq!((parts.folder, parts.format), (folder.into(), format), "{words}");
        let time = parts.rotation.time.map(|time| time.as_secs());
        assert_eq!((parts.rotation.size, time), rotation, "{words}");
        assert_eq!(parts.store.as_deref(), store, "{words}");
    }
    let Target::Parts(parts) = settings_of("--rotate 1h --max-bytes 1GB --retain 7d").output.target
    else {
        panic!()
    };
    let week = Some(Duration::from_secs(7 * 86_400));
    assert_eq!(parts.retention, Retention { bytes: Some(1_000_000_000), age: week });
}

#[test]
fn der_implies_the_full_stream() {
    let settings = settings_of("--with-der");
    assert_eq!(settings.rows, Rows::Certificates { with_der: true });
    assert_eq!(settings.address.request(None, false).unwrap().uri().path(), "/full-stream");
}

#[test]
fn repeated_filters_are_joined() {
    let settings = settings_of("--domain a.example --domain b.example --log argon");
    let request = settings.address.request(None, false).unwrap();
    assert_eq!(request.uri().query(), Some("domain=a.example%2Cb.example&log=argon"));
}

#[test]
fn tokens_come_from_the_file_or_else_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "from-file\n").unwrap();
    let header = |words: &str, environment: &[(&str, &str)]| {
        let arguments = ["certstream-arrow"].into_iter().chain(words.split_whitespace());
        let environment = environment.iter().map(|(name, value)| (name.into(), value.into()));
        let Ok(Invocation::Collect { settings, .. }) =
            parse(arguments.map(OsString::from), environment)
        else {
            panic!("{words}")
        };
        let request = settings.address.request(None, false).unwrap();
        request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned())
    };
    let from_file = format!("--token-file {}", file.display());
    let environment = [("CERTSTREAM_TOKEN", "from-env")];
    assert_eq!(header("", &[]), None);
    assert_eq!(header("", &[("CERTSTREAM_TOKEN", "")]), None);
    assert_eq!(header("", &environment).as_deref(), Some("Bearer from-env"));
    assert_eq!(header(&from_file, &environment).as_deref(), Some("Bearer from-file"));
}

#[test]
fn invalid_options_are_refused_with_advice() {
    for (words, expected) in [
        ("--buffer-size 0", "0 is not in 1..=1000000"),
        ("--format csv", "[possible values: feather, parquet]"),
        ("--rotate soon", "--rotate \"soon\": write a size like 512MB"),
        ("--rotate 1h,2h", "write a size"),
        ("--rotate 5", "write a size"),
        ("--rotate 1h,5", "write a size"),
        ("-o out.csv", ".csv files are not written"),
        ("-o out.csv --format parquet", ".csv files are not written"),
        ("-o out.v2", ".v2 files are not written"),
        ("-o out.parquet --format feather", "the name of --output means parquet"),
        ("-o out.arrow --format parquet", "the name of --output means feather"),
        ("-o gs://b/p", "gs:// is not supported; give a path, or s3://BUCKET/PREFIX"),
        ("--match ab", "--match: \"ab\" is too short"),
        ("--rotate 10ms", "write a size"),
        ("--flush-interval 5", "--flush-interval: \"5\" is not a duration"),
        ("--flush-interval 0s", "must be longer than 0"),
        ("--max-bytes 1GB", "give --rotate too"),
        ("--retain 1d", "give --rotate too"),
        ("-o s3://b/p --retain 1d", "rules of the bucket"),
        ("--stream domains --with-der", "has no certificates"),
        ("--url ftp://x", "not ws or wss"),
        ("--token-file /nonexistent", "--token-file /nonexistent: No such file"),
        ("--token-header a:b", "is not the name of a header"),
        ("--unknown", "unexpected argument '--unknown'"),
        ("inspect", "required arguments were not provided"),
        ("--url ws://a inspect x", "cannot be used with"),
    ] {
        let error = parse_words(words).unwrap_err().to_string();
        assert!(error.contains(expected), "{words}: {error}");
    }
}

#[test]
fn subcommands_help_and_version() {
    assert!(matches!(
        parse_words("inspect --json x"),
        Ok(Invocation::Inspect { path, json: true }) if path.as_os_str() == "x"
    ));
    assert!(matches!(parse_words("repair x"), Ok(Invocation::Repair { .. })));
    let Ok(Invocation::Print(help)) = parse_words("--help") else { panic!() };
    for part in ["calidog.io has been silent since 2025", "--buffer-size", "CERTSTREAM_TOKEN"] {
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains(part), "{part}: {help}");
    }
    let Ok(Invocation::Print(version)) = parse_words("--version") else { panic!() };
    assert!(version.starts_with("certstream-arrow "));
}
