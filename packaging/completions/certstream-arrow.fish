# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_certstream_arrow_global_optspecs
    string join \n u/url= stream= from-oldest domain= issuer= match= log= token-file= token-header= ca-file= o/output= format= compression= b/buffer-size= flush-interval= with-der rotate= max-bytes= retain= spool= allow-dir= stats= l/log-level= h/help V/version
end

function __fish_certstream_arrow_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_certstream_arrow_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_certstream_arrow_using_subcommand
    set -l cmd (__fish_certstream_arrow_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -s u -l url -d 'The server: any certstream server, over ws:// or wss://' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l stream -d 'Stream to store; domains stores names only, without detecting duplicates' -r -f -a "full\t''
lite\t''
domains\t''"
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l domain -d 'Only certificates with these names or names below them' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l issuer -d 'Only certificates whose issuer name contains one of these' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l match -d 'Only certificates with a name that contains one of these' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l log -d 'Only entries of logs whose name contains one of these' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l token-file -d 'File that contains the server\'s token; alternatively, set CERTSTREAM_TOKEN' -r -F
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l token-header -d 'Header that carries the token' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l ca-file -d 'PEM file of certificate authorities to trust in addition to the system\'s, or of exactly the server\'s certificate' -r -F
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -s o -l output -d 'Where to write: a file (NAME.feather), a directory of Parquet files (NAME.parquet), a directory (with --rotate), or s3://BUCKET/PREFIX [default: certstream_data.feather, or certstream_data with --format parquet]' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l format -d 'File format [default: from the extension of --output, or feather]' -r -f -a "feather\t''
parquet\t''"
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l compression -d 'Compression of the columns' -r -f -a "none\t''
lz4\t''
zstd\t''"
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -s b -l buffer-size -d 'Number of rows to write together' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l flush-interval -d 'Maximum time before a row is written' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l rotate -d 'Write parts below the output, and close each at this size or time: 512MB, 1h, or both as 1h,512MB [default with Parquet or s3: 10m]' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l max-bytes -d 'Delete the oldest parts beyond this total size' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l retain -d 'Delete parts older than this' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l spool -d 'Directory where parts for s3:// wait to be copied' -r -F
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l allow-dir -d 'Refuse outputs that are not below this directory; may be repeated' -r -F
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l stats -d 'How often to log progress; 0s is never [default: 60s, and a status line on a terminal]' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -s l -l log-level -d 'Log level' -r -f -a "trace\t''
debug\t''
info\t''
warn\t''
error\t''"
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l from-oldest -d 'Start a new output with the oldest message that the server still has, instead of the next one'
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l with-der -d 'Also store the certificates themselves (column as_der); implies --stream full'
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -s V -l version -d 'Print version'
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -f -a "inspect" -d 'Show the contents of a file or a directory of parts: rows, times, sources, gaps, columns'
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -f -a "repair" -d 'Repair a file whose last write was incomplete'
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -f -a "backfill" -d 'Read ranges of logs, prove every entry against the log\'s signed head, and store them in Parquet or Feather'
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -f -a "verify" -d 'Prove files of `backfill` again, offline, and name the rows that differ'
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -f -a "compact" -d 'Make few large parts of the many that `backfill` wrote below a directory'
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -f -a "views" -d 'Print SQL that makes views of the Parquet files of `backfill` for DuckDB'
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -f -a "completions" -d 'Print the completions of a shell; see --help to install them'
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand inspect" -l json -d 'Print JSON'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand inspect" -s h -l help -d 'Print help'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand repair" -s h -l help -d 'Print help'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand backfill" -l log -d 'Log to read, by name or a part of it, or file:PATH of its tiles (a directory, a zip, or a directory of zips); may be repeated' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand backfill" -l list -d 'Log list to find logs and keys in [default: CERTSTREAM_CT_LOG_LOG_LIST_URL, or Chrome\'s]' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand backfill" -l start -d 'First entry [default: 0]' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand backfill" -l end -d 'Entry after the last one [default: the log\'s head]' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand backfill" -l since -d 'Entries submitted since: 2026-11-01, 2026-11-01T12:00:00Z, or a span such as 7d; some earlier ones come too, because logs merge entries late' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand backfill" -l until -d 'Entries submitted before [default: now]' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand backfill" -s o -l output -d 'Directory of the archive, or s3://BUCKET/PREFIX' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand backfill" -l format -d 'File format' -r -f -a "parquet\t''
feather\t''"
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand backfill" -l compression -d 'Compression of the columns' -r -f -a "none\t''
lz4\t''
zstd\t''"
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand backfill" -l part-entries -d 'Entries of a part, which begins at a multiple of them' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand backfill" -l spool -d 'Directory of parts that are being written for s3://' -r -F
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand backfill" -l allow-dir -d 'Refuse outputs that are not below this directory' -r -F
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand backfill" -l concurrency -d 'Requests of a log at the same time' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand backfill" -l patience -d 'Give a log up after this time without progress' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand backfill" -l contact -d 'E-mail or URL for User-Agent; some logs serve more to clients that give one' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand backfill" -s l -l log-level -d 'Log level' -r -f -a "trace\t''
debug\t''
info\t''
warn\t''
error\t''"
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand backfill" -l all -d 'Read all logs in use'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand backfill" -l with-der -d 'Also store certificates and leaves, so that `verify` can compute every column again'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand backfill" -l resume -d 'Continue an archive that is there; always the case'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand backfill" -l json -d 'Print events as JSON, one a line'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand backfill" -s h -l help -d 'Print help'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand verify" -l json -d 'Print JSON'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand verify" -s h -l help -d 'Print help'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand compact" -l entries -d 'Most entries of a part, which begins at a multiple of them' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand compact" -l sort -d 'Order of the rows of all parts, for queries by name' -r -f -a "name\t''"
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand compact" -s h -l help -d 'Print help'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand views" -s h -l help -d 'Print help'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand help; and not __fish_seen_subcommand_from inspect repair backfill verify compact views completions help" -f -a "inspect" -d 'Show the contents of a file or a directory of parts: rows, times, sources, gaps, columns'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand help; and not __fish_seen_subcommand_from inspect repair backfill verify compact views completions help" -f -a "repair" -d 'Repair a file whose last write was incomplete'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand help; and not __fish_seen_subcommand_from inspect repair backfill verify compact views completions help" -f -a "backfill" -d 'Read ranges of logs, prove every entry against the log\'s signed head, and store them in Parquet or Feather'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand help; and not __fish_seen_subcommand_from inspect repair backfill verify compact views completions help" -f -a "verify" -d 'Prove files of `backfill` again, offline, and name the rows that differ'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand help; and not __fish_seen_subcommand_from inspect repair backfill verify compact views completions help" -f -a "compact" -d 'Make few large parts of the many that `backfill` wrote below a directory'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand help; and not __fish_seen_subcommand_from inspect repair backfill verify compact views completions help" -f -a "views" -d 'Print SQL that makes views of the Parquet files of `backfill` for DuckDB'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand help; and not __fish_seen_subcommand_from inspect repair backfill verify compact views completions help" -f -a "completions" -d 'Print the completions of a shell; see --help to install them'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand help; and not __fish_seen_subcommand_from inspect repair backfill verify compact views completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
