//! The texts of the manual page that do not follow from the command line.

use usage::manual::Manual;

/// The texts of the manual page. The first three examples are also those of `-h`.
pub const MANUAL: &Manual = &Manual {
    synopsis: &[
        "[OPTIONS]",
        "inspect [--json] PATH",
        "repair FILE",
        "backfill [OPTIONS]",
        "verify|compact PATH...",
        "completions SHELL",
    ],
    description: &[
        "certstream-arrow stores the stream of any certstream server in columns: in one Arrow \
         Feather file, in parts of Feather or Parquet below a directory, or in an S3 bucket. A \
         Feather file can be read at any time while it grows.",
        "The rows and the position in the stream are written in one step. So the program resumes \
         where it stopped, without duplicates, and records any gap, also after a crash. Start it \
         again with the same --output.",
    ],
    examples: &[
        ("certstream-arrow -o certs.feather --match paypal,login", "one file, filtered"),
        ("certstream-arrow -o certs.parquet --retain 30d", "Parquet, kept for 30 days"),
        ("certstream-arrow inspect certs.parquet", "rows, times, gaps"),
        ("certstream-arrow -u wss://ct.example.org/ -o certs.feather", "another server"),
        ("certstream-arrow --stream full --with-der --rotate 1h,1GB -o der", "with certificates"),
        ("certstream-arrow --format parquet -o s3://bucket/certs", "to an object store"),
        (
            "certstream-arrow backfill --log argon2026h2 --since 7d -o archive",
            "last week of a log, proved",
        ),
        ("certstream-arrow verify archive", "prove it again, offline"),
    ],
    environment: &[
        ("CERTSTREAM_TOKEN", "The token that the server requires, if --token-file is not given."),
        (
            "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY",
            "The HTTP proxy for wss://, for ws://, and for both; and the hosts to reach without it.",
        ),
        (
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT",
            "Access to the object store for s3:// outputs.",
        ),
        ("CERTSTREAM_CT_LOG_LOG_LIST_URL", "The log list for backfill, if --list is not given."),
    ],
    files: &[
        (
            "certstream_data.feather, certstream_data/",
            "The default outputs. The part being written is a file whose name begins with a dot.",
        ),
        (
            "certstream_archive/, certstream_archive-evidence/",
            "The default output of backfill, and the evidence of logs that contradict themselves.",
        ),
        ("certstream_spool/", "Parts for s3:// that wait to be copied."),
    ],
    signals: &[("SIGTERM, SIGINT", "Stop: write what has been received, and exit with status 0.")],
    exit_status: &[
        ("0", "Success, or stopped by SIGTERM or SIGINT."),
        (
            "1",
            "It cannot continue: the server refuses the request, the output cannot be written, or a \
             backfill is not complete yet.",
        ),
        ("2", "A log contradicts itself, or `verify` found a file that is not what was written."),
        ("64", "The command line is invalid, or the output is refused."),
    ],
    see_also: &["certstream-server(1)", usage::DOCUMENTATION],
};
