//! The output that the options describe.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ArgMatches;
use columns::Compression;

use super::values::{UsageError, duration, path, text, usage};
use crate::quantity;
use crate::settings::{Format, OutputSettings, PartSettings, Retention, Rotation, Target};

/// The default time at which parts are closed.
const ROTATION: Duration = Duration::from_secs(600);
/// Extensions of data files that are not written here, and would be misleading as names of folders.
const OTHER_FORMATS: [&str; 14] = [
    "csv", "tsv", "txt", "json", "jsonl", "ndjson", "avro", "orc", "xlsx", "db", "sqlite",
    "duckdb", "gz", "zst",
];

/// Reads the settings of the output.
pub(super) fn output(matches: &ArgMatches) -> Result<OutputSettings, UsageError> {
    let compression = match text(matches, "compression").as_deref() {
        Some("none") => Compression::None,
        Some("lz4") => Compression::Lz4,
        _ => Compression::Zstd,
    };
    let allowed = matches.get_many::<PathBuf>("allow-dir").unwrap_or_default().cloned().collect();
    Ok(OutputSettings { target: target(matches)?, compression, allowed })
}

/// Reads the format of the files from `--format`, or else from the extension of `--output`.
fn format(matches: &ArgMatches, output: Option<&str>) -> Result<Format, UsageError> {
    let requested = match text(matches, "format").as_deref() {
        Some("parquet") => Some(Format::Parquet),
        Some(_) => Some(Format::Feather),
        None => None,
    };
    let extension = output.and_then(|output| Path::new(output).extension()?.to_str());
    let named = extension.and_then(Format::from_extension);
    if let (Some(requested), Some(named)) = (requested, named)
        && requested != named
    {
        let (requested, named) = (requested.extension(), named.extension());
        return Err(usage(format!(
            "--format {requested}: the name of --output means {named}; omit one of them"
        )));
    }
    let format = requested.or(named).unwrap_or(Format::Feather);
    if format == Format::Parquet && !cfg!(feature = "parquet") {
        return Err(usage("parquet: this program was built without it (cargo feature parquet)"));
    }
    Ok(format)
}

/// Refuses an output whose name is misleading. A folder may have a dot in its name.
fn check_name(output: &str, is_folder: bool) -> Result<(), UsageError> {
    if let Some((scheme, _)) = output.split_once("://")
        && scheme != "s3"
    {
        return Err(usage(format!(
            "--output {output:?}: {scheme}:// is not supported; give a path, or \
             s3://BUCKET/PREFIX (for other S3-compatible stores, set AWS_ENDPOINT)"
        )));
    }
    let Some(extension) = Path::new(output).extension().and_then(OsStr::to_str) else {
        return Ok(());
    };
    let is_other = if is_folder {
        OTHER_FORMATS.iter().any(|other| extension.eq_ignore_ascii_case(other))
    } else {
        Format::from_extension(extension).is_none()
    };
    if is_other {
        return Err(usage(format!(
            "--output {output:?}: .{extension} files are not written; name it .feather (or .arrow) \
             for one Feather file, .parquet for a folder of Parquet files"
        )));
    }
    Ok(())
}

/// Reads the kind of output.
fn target(matches: &ArgMatches) -> Result<Target, UsageError> {
    let output = text(matches, "output");
    let format = format(matches, output.as_deref())?;
    let store = output.clone().filter(|output| output.starts_with("s3://"));
    if store.is_some() && !cfg!(feature = "s3") {
        return Err(usage("--output s3://: this program was built without it (cargo feature s3)"));
    }
    let retention = retention(matches)?;
    let keeps_all = retention == Retention::default();
    let rotation = text(matches, "rotate").map(|text| rotation(&text)).transpose()?;
    let is_parts = format == Format::Parquet || rotation.is_some() || store.is_some();
    if let Some(output) = &output {
        check_name(output, is_parts)?;
    }
    if !is_parts && !keeps_all {
        return Err(usage("--max-bytes and --retain delete whole parts: give --rotate too"));
    }
    if store.is_some() && !keeps_all {
        return Err(usage(
            "--max-bytes and --retain are for folders; for s3 use rules of the bucket",
        ));
    }
    if !is_parts {
        let file = output.unwrap_or_else(|| "certstream_data.feather".to_owned());
        return Ok(Target::File(file.into()));
    }
    let spool = store.is_some().then(|| path(matches, "spool")).flatten();
    let named = || output.unwrap_or_else(|| "certstream_data".to_owned()).into();
    Ok(Target::Parts(PartSettings {
        folder: spool.unwrap_or_else(named),
        format,
        rotation: rotation.unwrap_or(Rotation { size: None, time: Some(ROTATION) }),
        retention,
        store,
    }))
}

/// Reads the limits beyond which parts are deleted.
fn retention(matches: &ArgMatches) -> Result<Retention, UsageError> {
    let size = |text: String| {
        quantity::size(&text).map_err(|error| usage(format!("--max-bytes: {error}")))
    };
    let bytes = text(matches, "max-bytes").map(size).transpose()?;
    Ok(Retention { bytes, age: duration(matches, "retain")? })
}

/// Reads a rotation: a size, a time, or one of each.
fn rotation(text: &str) -> Result<Rotation, UsageError> {
    let mut rotation = Rotation::default();
    for part in text.split(',') {
        let has_unit = part.trim().ends_with(|c: char| c.is_ascii_alphabetic());
        let size = if has_unit { quantity::size(part).ok() } else { None };
        match (quantity::duration(part), size) {
            (Ok(time), _) if rotation.time.is_none() && time >= Duration::from_secs(1) => {
                rotation.time = Some(time);
            }
            (Err(_), Some(size)) if rotation.size.is_none() && size > 0 => {
                rotation.size = Some(size);
            }
            _ => {
                return Err(usage(format!(
                    "--rotate {text:?}: write a size like 512MB, a time of a second or more like \
                     1h, or one of each as 1h,512MB"
                )));
            }
        }
    }
    Ok(rotation)
}
