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

complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -s u -l url -d 'The server. Any certstream server will do; wss:// too. The public wss://certstream.calidog.io has been silent since 2025, so the default is your own certstream-server' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l stream -d 'What to ask the server for; of domains only names are kept, without a log and an index to tell duplicates by' -r -f -a "full\t''
lite\t''
domains\t''"
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l domain -d 'Only certificates with these names or names below them' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l issuer -d 'Only certificates whose issuer\'s name contains one of these' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l match -d 'Only certificates with one of these anywhere in a name' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l log -d 'Only entries of logs whose name contains one of these' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l token-file -d 'File with the token that the server wants; or the variable CERTSTREAM_TOKEN' -r -F
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l token-header -d 'Header that carries the token' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l ca-file -d 'PEM file of certificate authorities to trust besides the system\'s, or of exactly the certificate that the server has' -r -F
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -s o -l output -d 'Where rows go: a file (.feather); with --rotate or Parquet a folder (NAME.parquet is one too); or s3://BUCKET/PREFIX [default: certstream_data.feather, with --format parquet certstream_data]' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l format -d 'Form of the files [default: as the extension of --output has it, or feather]' -r -f -a "feather\t''
parquet\t''"
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l compression -d 'Compression of the columns' -r -f -a "none\t''
lz4\t''
zstd\t''"
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -s b -l buffer-size -d 'Rows that are written together' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l flush-interval -d 'Longest time that a row waits to be written' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l rotate -d 'Write parts below the output, each closed at this size or time: 512MB, 1h, or both as 1h,512MB [default with Parquet or s3: 10m]' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l max-bytes -d 'Delete the oldest parts beyond this size in all' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l retain -d 'Delete parts that are older than this' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l spool -d 'Where parts for s3:// wait to be copied' -r -F
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l allow-dir -d 'Refuse outputs that are not below this folder; may be repeated' -r -F
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l stats -d 'How often to log how things stand; 0s is never [default: 60s, and a line that stays in place on a terminal]' -r
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -s l -l log-level -d 'How much to log' -r -f -a "trace\t''
debug\t''
info\t''
warn\t''
error\t''"
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l from-oldest -d 'Begin a new output with the oldest message that the server still has, not the next'
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -l with-der -d 'Keep the certificates themselves too (column as_der); implies --stream full'
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -s h -l help -d 'Print help'
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -s V -l version -d 'Print version'
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -f -a "inspect" -d 'Says what is in a file or a folder of parts: rows, times, sources, gaps, columns'
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -f -a "repair" -d 'Makes a file whose last write was cut short readable again'
complete -c certstream-arrow -n "__fish_certstream_arrow_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand inspect" -l json -d 'As JSON'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand inspect" -s h -l help -d 'Print help'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand repair" -s h -l help -d 'Print help'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand help; and not __fish_seen_subcommand_from inspect repair help" -f -a "inspect" -d 'Says what is in a file or a folder of parts: rows, times, sources, gaps, columns'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand help; and not __fish_seen_subcommand_from inspect repair help" -f -a "repair" -d 'Makes a file whose last write was cut short readable again'
complete -c certstream-arrow -n "__fish_certstream_arrow_using_subcommand help; and not __fish_seen_subcommand_from inspect repair help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
