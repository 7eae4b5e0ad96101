//! The texts of the manual page that do not follow from the command line.

use usage::manual::Manual;

/// The texts of the manual page. The first three examples are also those of `-h`.
pub const MANUAL: &Manual = &Manual {
    synopsis: &["[OPTIONS]", "[OPTIONS] COMMAND"],
    description: &[
        "certstream-server follows every Certificate Transparency log in the signed log list, \
         verifies what it reads against the logs' signed tree heads, and streams each certificate \
         to WebSocket and SSE clients as JSON. It is compatible with other certstream servers.",
        "It needs no configuration: without options it serves on port 8080 and starts at the heads \
         of the logs. Settings come from a file, from environment variables and from options. An \
         option overrides a variable, and a variable overrides the file. config.example.yaml shows \
         every setting.",
    ],
    examples: &[
        ("certstream-server --demo", "try it without network"),
        ("certstream-server --ct-log-state-file state.json", "follow all logs, and resume"),
        ("certstream-server tail --domain example.com", "certificates of a domain"),
        ("certstream-server -c config.yaml --validate-config", "check a configuration"),
        ("certstream-server --print-config --changed", "what differs from the defaults, and why"),
        ("certstream-server tail --json | jq -r '.data.leaf_cert.all_domains[]'", "only names"),
        ("certstream-server logs list", "position and alarms of each log"),
        ("certstream-server -c config.yaml alerts test", "a sample alert to each receiver"),
        (
            "certstream-server completions bash > /etc/bash_completion.d/certstream-server",
            "install completions (as root)",
        ),
    ],
    environment: &[
        ("CERTSTREAM_CONFIG", "The configuration file, if --config does not name one."),
        (
            "CERTSTREAM_TOKEN",
            "For tail, search and alerts list: the token that the server requires, if --token-file is not given.",
        ),
        (
            "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY",
            "The proxy for requests to logs and, with tail, for wss:// and ws://; and the hosts to \
             reach without it.",
        ),
        ("CERTSTREAM_...", "Each option names its variables. An empty variable counts as unset."),
    ],
    files: &[
        (
            "config.yaml, config.yml, /etc/certstream/config.yaml",
            "The configuration: the first of these that exists, unless --config or \
             CERTSTREAM_CONFIG names another.",
        ),
        (
            "/var/lib/certstream/",
            "Journal, positions, log lists and evidence of alarms, if data_dir names it, as the packaged \
             systemd unit does. A state.json in it is imported once.",
        ),
    ],
    signals: &[
        (
            "SIGTERM, SIGINT",
            "Stop: deliver what has been read, save the state, and exit with status 0. This takes \
             at most 5 seconds.",
        ),
        (
            "SIGHUP",
            "Read the configuration again. If it is invalid, an error is logged and nothing \
             changes.",
        ),
    ],
    exit_status: &[
        ("0", "Success, or stopped by SIGTERM or SIGINT."),
        ("1", "The server could not start or had to stop, or a command failed."),
        ("64", "The command line, an environment variable or the configuration is invalid."),
    ],
    see_also: &["certstream-arrow(1)", usage::DOCUMENTATION],
};
