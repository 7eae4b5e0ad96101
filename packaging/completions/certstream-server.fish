# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_certstream_server_global_optspecs
    string join \n c/config= demo dry-run validate-config strict print-config V/version host= port= tls-cert= tls-key= log-level= log-format= log-client-addresses= max-message-bytes= compat-profile= slow-client= worker-threads= shutdown-grace-ms= verification= verification-evidence-dir= trusted-proxies= real-ip= ip-allow-list= protocols-websocket= protocols-sse= protocols-metrics= protocols-health= protocols-example-json= protocols-api= protocols-stats= protocols-page= prometheus-enabled= prometheus-listen-addr= prometheus-listen-port= prometheus-metrics-url= prometheus-expose-system-metrics= prometheus-cert-path= prometheus-cert-key-path= prometheus-whitelist= prometheus-trusted-proxies= prometheus-real-ip= metrics-compat= api-cache-capacity= api-cache-bytes= stats-url= stats-client-addresses= streams-full= streams-lite= streams-domains-only= streams-full-path= streams-lite-path= streams-domains-only-path= dedup-enabled= dedup-mode= dedup-capacity= dedup-ttl-secs= heartbeat-mode= heartbeat-interval-secs= compression-websocket= compression-sse= filters-max-terms= filters-max-distinct= connection-limit-enabled= connection-limit-max-connections= connection-limit-per-ip-limit= connection-limit-max-pending= connection-limit-max-pending-per-ip= rate-limit-enabled= rate-limit-free-max-tokens= rate-limit-free-refill-rate= rate-limit-free-burst= rate-limit-standard-max-tokens= rate-limit-standard-refill-rate= rate-limit-standard-burst= rate-limit-premium-max-tokens= rate-limit-premium-refill-rate= rate-limit-premium-burst= rate-limit-window-seconds= rate-limit-window-max-requests= rate-limit-burst-window-seconds= rate-limit-max-clients= auth-enabled= auth-tokens= auth-standard-tokens= auth-premium-tokens= auth-header-name= auth-query-token= feed-ring-bytes= feed-chunk-bytes= feed-skip-empty-domains= feed-gather-ms= ct-log-rfc6962-enabled= ct-log-static-ct-enabled= ct-log-disable-default-logs= ct-log-log-list-url= ct-log-log-list-key-file= ct-log-log-list-cache= ct-log-extra-log-lists= ct-log-log-refresh-interval-secs= ct-log-removed-log-policy= ct-log-checkpoint-signature-mode= ct-log-states= ct-log-include-test= ct-log-exclude= ct-log-excluded-operators= ct-log-excluded-logs= ct-log-start= ct-log-start-overlap-leaves= ct-log-state-file= ct-log-state-recovery= ct-log-import-index= ct-log-resume-overlap-secs= ct-log-max-catchup-lag-entries= ct-log-max-catchup-lag-secs= ct-log-batch-size= ct-log-poll-interval-ms= ct-log-fetch-concurrency= ct-log-default-operator-rate-limit-ms= ct-log-operator-rate-limits= ct-log-in-flight-bytes= ct-log-allow-private-addresses= ct-log-partial-tile-wait-ms= ct-log-request-timeout-secs= ct-log-retry-max-attempts= ct-log-retry-initial-delay-ms= ct-log-retry-max-delay-ms= ct-log-healthy-threshold= ct-log-unhealthy-threshold= ct-log-health-check-interval-secs= ct-log-user-agent= hot-reload-enabled= hot-reload-watch-path= h/help
end

function __fish_certstream_server_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_certstream_server_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_certstream_server_using_subcommand
    set -l cmd (__fish_certstream_server_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c certstream-server -n "__fish_certstream_server_needs_command" -s c -l config -d 'Configuration file [env: CERTSTREAM_CONFIG] [default: the first that exists of config.yaml, config.yml, /etc/certstream/config.yaml]' -r -F
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l host -d 'IP address to listen on; "::" (quoted in a file) accepts IPv6 and IPv4 [env: CERTSTREAM_HOST, CERTSTREAM_WEBSERVER_LISTEN_ADDR] [default: 0.0.0.0]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l port -d 'TCP port to listen on; 0, on the command line only, picks any free port [a whole number from 1 to 65535] [env: CERTSTREAM_PORT, CERTSTREAM_WEBSERVER_LISTEN_PORT, PORT] [default: 8080]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l tls-cert -d 'PEM certificate chain for TLS (https and wss), the server\'s own certificate first; reloaded when the file changes [env: CERTSTREAM_TLS_CERT, CERTSTREAM_WEBSERVER_CERT_PATH]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l tls-key -d 'PEM private key of that certificate; reloaded with it [env: CERTSTREAM_TLS_KEY, CERTSTREAM_WEBSERVER_CERT_KEY_PATH]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l log-level -d 'Level of the server\'s own log [off, error, warn, info, debug, trace or a list such as info,follow=debug] [env: RUST_LOG, CERTSTREAM_LOG_LEVEL, LOG_LEVEL] [default: info]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l log-format -d 'Format of the server\'s log lines: text for people, json for log collectors [one of text, json] [env: CERTSTREAM_LOG_FORMAT] [default: text]' -r -f -a "text\t''
json\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l log-client-addresses -d 'Log client addresses, in one line when a client connects and one when it disconnects; also show them in the per-client metrics of metrics.compat [env: CERTSTREAM_LOG_CLIENT_ADDRESSES] [default: false]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l max-message-bytes -d 'Largest message sent; a larger one is sent without as_der and chain, then without further parts, and is marked as truncated [a size from 16KiB to 64MiB] [env: CERTSTREAM_MAX_MESSAGE_BYTES] [default: 1MiB]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l compat-profile -d 'Message format for clients that do not pass ?compat=: that of CaliDog\'s server, certstream-server-go or certstream-server-rust [one of calidog, go, rust] [env: CERTSTREAM_COMPAT_PROFILE] [default: calidog]' -r -f -a "calidog\t''
go\t''
rust\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l slow-client -d 'What to do when a client falls behind the buffer: drop skips messages; disconnect notifies the client and closes the connection [one of drop, disconnect] [env: CERTSTREAM_SLOW_CLIENT] [default: drop]' -r -f -a "drop\t''
disconnect\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l worker-threads -d 'Threads that serve clients and read logs; 0 for one per core [a whole number from 0 to 1024] [env: CERTSTREAM_WORKER_THREADS, TOKIO_WORKER_THREADS] [default: 0]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l shutdown-grace-ms -d 'Maximum time to wait for connections to end after SIGTERM or Ctrl-C [a whole number of milliseconds from 0 to 5000] [env: CERTSTREAM_SHUTDOWN_GRACE_MS] [default: 3000]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l verification -d 'How to handle entries that do not match the log\'s signed tree: report sends everything and raises an alarm; enforce sends nothing until it is verified, and stops the log until its alarm is acknowledged; off does not check [one of enforce, report, off] [env: CERTSTREAM_VERIFICATION] [default: report]' -r -f -a "enforce\t''
report\t''
off\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l verification-evidence-dir -d 'Directory for the evidence of alarms; by default one beside ct_log.state_file, and none without a state file [env: CERTSTREAM_VERIFICATION_EVIDENCE_DIR]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l trusted-proxies -d 'Proxies whose X-Forwarded-For header is trusted. The client is the rightmost address in it that is not itself a trusted proxy. Other headers are ignored [a list of IP addresses and networks such as 10.0.0.0/8] [env: CERTSTREAM_TRUSTED_PROXIES, CERTSTREAM_WEBSERVER_TRUSTED_PROXIES] [default: []]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l real-ip -d 'false ignores X-Forwarded-For even from trusted_proxies; otherwise the header is trusted from trusted_proxies only, unlike in certstream-server-go [env: CERTSTREAM_REAL_IP, CERTSTREAM_WEBSERVER_REAL_IP]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ip-allow-list -d 'Addresses that may use streams, /api, /stats and /latest.json; others get 403. Empty allows everyone [a list of IP addresses and networks such as 10.0.0.0/8] [env: CERTSTREAM_IP_ALLOW_LIST, CERTSTREAM_WEBSERVER_WHITELIST] [default: []]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l protocols-websocket -d 'The streams over WebSocket [env: CERTSTREAM_WS_ENABLED] [default: true]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l protocols-sse -d 'The streams over SSE, at /sse [env: CERTSTREAM_SSE_ENABLED] [default: false]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l protocols-metrics -d 'Metrics, at /metrics [env: CERTSTREAM_METRICS_ENABLED] [default: true]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l protocols-health -d 'Health, at /health, /health/deep and /health/ready [env: CERTSTREAM_HEALTH_ENABLED] [default: true]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l protocols-example-json -d 'The latest message of each stream, at /example.json [env: CERTSTREAM_EXAMPLE_JSON_ENABLED] [default: true]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l protocols-api -d 'The REST API, under /api [env: CERTSTREAM_API_ENABLED] [default: false]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l protocols-stats -d 'Statistics in the form of CaliDog\'s server, at stats.url [env: CERTSTREAM_PROTOCOLS_STATS] [default: true]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l protocols-page -d 'The web page, at / [env: CERTSTREAM_PROTOCOLS_PAGE] [default: true]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l prometheus-enabled -d 'Serve metrics only on a listener of their own; if off, the main listener serves them where protocols.metrics is on [env: CERTSTREAM_PROMETHEUS_ENABLED] [default: false]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l prometheus-listen-addr -d 'IP address of that listener [env: CERTSTREAM_PROMETHEUS_LISTEN_ADDR] [default: 0.0.0.0]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l prometheus-listen-port -d 'TCP port of that listener; with the server\'s own address and port, both share one listener [a whole number from 1 to 65535] [env: CERTSTREAM_PROMETHEUS_LISTEN_PORT] [default: 9090]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l prometheus-metrics-url -d 'Path of the metrics, on either listener [a path such as /stats, of letters, digits, hyphens, points and underscores] [env: CERTSTREAM_PROMETHEUS_METRICS_URL] [default: /metrics]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l prometheus-expose-system-metrics -d 'Show memory, CPU time and open files of the process, and statistics of its allocator [env: CERTSTREAM_PROMETHEUS_EXPOSE_SYSTEM_METRICS] [default: true]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l prometheus-cert-path -d 'PEM certificate chain for TLS on that listener; reloaded when the file changes [env: CERTSTREAM_PROMETHEUS_CERT_PATH]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l prometheus-cert-key-path -d 'PEM private key of that certificate [env: CERTSTREAM_PROMETHEUS_CERT_KEY_PATH]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l prometheus-whitelist -d 'Addresses that may read metrics, on either listener; others get 403. Empty allows everyone [a list of IP addresses and networks such as 10.0.0.0/8] [env: CERTSTREAM_PROMETHEUS_WHITELIST] [default: []]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l prometheus-trusted-proxies -d 'Proxies whose X-Forwarded-For header is trusted on the metrics listener, as trusted_proxies are on the main one [a list of IP addresses and networks such as 10.0.0.0/8] [env: CERTSTREAM_PROMETHEUS_TRUSTED_PROXIES] [default: []]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l prometheus-real-ip -d 'false ignores X-Forwarded-For even from prometheus.trusted_proxies [env: CERTSTREAM_PROMETHEUS_REAL_IP]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l metrics-compat -d 'Also show metrics under the names of certstream-server-go or certstream-server-rust [none, one or more of go, rust] [env: CERTSTREAM_METRICS_COMPAT] [default: []]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l api-cache-capacity -d 'Maximum number of certificates that /api/cert keeps, the newest; 0 keeps none [a whole number from 0 to 10000000] [env: CERTSTREAM_API_CACHE_CAPACITY] [default: 1000]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l api-cache-bytes -d 'Maximum size of these certificates, in bytes of DER [a size from 64KiB to 64GiB] [env: CERTSTREAM_API_CACHE_BYTES] [default: 4MiB]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l stats-url -d 'Path of the statistics [a path such as /stats, of letters, digits, hyphens, points and underscores] [env: STATS_URL, CERTSTREAM_STATS_URL] [default: /stats]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l stats-client-addresses -d 'Show the clients\' addresses and User-Agents in the statistics [env: CERTSTREAM_STATS_CLIENT_ADDRESSES] [default: false]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l streams-full -d 'The full stream: certificates with DER and chain [env: CERTSTREAM_STREAM_FULL_ENABLED] [default: true]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l streams-lite -d 'The lite stream: certificates without DER and chain [env: CERTSTREAM_STREAM_LITE_ENABLED] [default: true]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l streams-domains-only -d 'The domains-only stream: only the domain names [env: CERTSTREAM_STREAM_DOMAINS_ONLY_ENABLED] [default: true]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l streams-full-path -d 'Path of the full stream, with or without a trailing slash [a path such as / or /full-stream, of letters, digits, hyphens, points and underscores] [env: CERTSTREAM_STREAMS_FULL_PATH, CERTSTREAM_WEBSERVER_FULL_URL] [default: /full-stream]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l streams-lite-path -d 'Path of the lite stream; it is also at / unless another stream is there [a path such as / or /full-stream, of letters, digits, hyphens, points and underscores] [env: CERTSTREAM_STREAMS_LITE_PATH, CERTSTREAM_WEBSERVER_LITE_URL] [default: /]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l streams-domains-only-path -d 'Path of the domains-only stream [a path such as / or /full-stream, of letters, digits, hyphens, points and underscores] [env: CERTSTREAM_STREAMS_DOMAINS_ONLY_PATH, CERTSTREAM_WEBSERVER_DOMAINS_ONLY_URL] [default: /domains-only]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l dedup-enabled -d 'Send a certificate once, however many logs contain it [env: CERTSTREAM_DEDUP_ENABLED] [default: true]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l dedup-mode -d 'What counts as a duplicate: the same bytes (certificate), or also a precertificate and its final certificate (linked) [one of certificate, linked] [env: CERTSTREAM_DEDUP_MODE] [default: certificate]' -r -f -a "certificate\t''
linked\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l dedup-capacity -d 'Maximum number of certificates remembered; each takes about 35 bytes [a whole number from 1 to 100000000] [env: CERTSTREAM_DEDUP_CAPACITY] [default: 200000]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l dedup-ttl-secs -d 'How long a certificate is remembered [a whole number of seconds from 1 to 604800] [env: CERTSTREAM_DEDUP_TTL_SECS] [default: 900]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l heartbeat-mode -d 'When to send heartbeats: idle, after a quiet interval; always, at every interval; off, never [one of idle, always, off] [env: CERTSTREAM_HEARTBEAT_MODE] [default: idle]' -r -f -a "idle\t''
always\t''
off\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l heartbeat-interval-secs -d 'Quiet time before a heartbeat (idle), or time between heartbeats (always) [a whole number of seconds from 1 to 3600] [env: CERTSTREAM_HEARTBEAT_INTERVAL_SECS] [default: 10]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l compression-websocket -d 'Offer permessage-deflate (RFC 7692) to WebSocket clients [env: CERTSTREAM_COMPRESSION_WEBSOCKET, CERTSTREAM_WEBSERVER_COMPRESSION_ENABLED] [default: true]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l compression-sse -d 'Offer gzip to SSE clients (Accept-Encoding) [env: CERTSTREAM_COMPRESSION_SSE] [default: true]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l filters-max-terms -d 'Maximum number of different terms in the filter of one connection [a whole number from 1 to 1000] [env: CERTSTREAM_FILTERS_MAX_TERMS] [default: 20]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l filters-max-distinct -d 'Maximum number of different terms in the filters of all connections together, of 32 bytes each on average. One address may use a quarter of them [a whole number from 1 to 100000] [env: CERTSTREAM_FILTERS_MAX_DISTINCT] [default: 10000]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l connection-limit-enabled -d 'Enforce max_connections and per_ip_limit [env: CERTSTREAM_CONNECTION_LIMIT_ENABLED] [default: false]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l connection-limit-max-connections -d 'Maximum number of streams at a time [a whole number, at least 1] [env: CERTSTREAM_CONNECTION_LIMIT_MAX_CONNECTIONS] [default: 10000]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l connection-limit-per-ip-limit -d 'Maximum number of streams per address at a time; 0 or null for no limit [a whole number, at least 0] [env: CERTSTREAM_CONNECTION_LIMIT_PER_IP_LIMIT] [default: 100]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l connection-limit-max-pending -d 'Maximum number of connections that are not streams (TLS handshake, request, response); further ones wait. Always enforced [a whole number from 16 to 1000000] [env: CERTSTREAM_CONNECTION_LIMIT_MAX_PENDING] [default: 8192]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l connection-limit-max-pending-per-ip -d 'The same per address, except for trusted_proxies; further ones are closed. Always enforced [a whole number from 1 to 1000000] [env: CERTSTREAM_CONNECTION_LIMIT_MAX_PENDING_PER_IP] [default: 2048]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-enabled -d 'Limit requests; over the limit the answer is 429 with Retry-After [env: CERTSTREAM_RATE_LIMIT_ENABLED] [default: false]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-free-max-tokens -d 'Free: requests in a full bucket [a number from 1 to 1000000] [env: CERTSTREAM_RATE_LIMIT_FREE_MAX_TOKENS, CERTSTREAM_RATE_LIMIT_MAX_TOKENS] [default: 100.0]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-free-refill-rate -d 'Free: requests added to the bucket each second, more than 0 [a number from 0 to 1000000] [env: CERTSTREAM_RATE_LIMIT_FREE_REFILL_RATE, CERTSTREAM_RATE_LIMIT_REFILL_RATE] [default: 10.0]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-free-burst -d 'Free: further requests allowed in each burst window while the bucket is empty [a number from 0 to 1000000] [env: CERTSTREAM_RATE_LIMIT_FREE_BURST, CERTSTREAM_RATE_LIMIT_BURST] [default: 20.0]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-standard-max-tokens -d 'Standard: requests in a full bucket [a number from 1 to 1000000] [env: CERTSTREAM_RATE_LIMIT_STANDARD_MAX_TOKENS] [default: 500.0]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-standard-refill-rate -d 'Standard: requests added to the bucket each second, more than 0 [a number from 0 to 1000000] [env: CERTSTREAM_RATE_LIMIT_STANDARD_REFILL_RATE] [default: 50.0]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-standard-burst -d 'Standard: further requests allowed in each burst window while the bucket is empty [a number from 0 to 1000000] [env: CERTSTREAM_RATE_LIMIT_STANDARD_BURST] [default: 100.0]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-premium-max-tokens -d 'Premium: requests in a full bucket [a number from 1 to 1000000] [env: CERTSTREAM_RATE_LIMIT_PREMIUM_MAX_TOKENS] [default: 2000.0]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-premium-refill-rate -d 'Premium: requests added to the bucket each second, more than 0 [a number from 0 to 1000000] [env: CERTSTREAM_RATE_LIMIT_PREMIUM_REFILL_RATE] [default: 200.0]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-premium-burst -d 'Premium: further requests allowed in each burst window while the bucket is empty [a number from 0 to 1000000] [env: CERTSTREAM_RATE_LIMIT_PREMIUM_BURST] [default: 400.0]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-window-seconds -d 'Length of the sliding window [a whole number of seconds from 1 to 86400] [env: CERTSTREAM_RATE_LIMIT_WINDOW_SECONDS] [default: 60]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-window-max-requests -d 'Maximum number of requests of a Free client in any such window; Standard and Premium get more, in proportion to their buckets [a whole number from 1 to 1000000] [env: CERTSTREAM_RATE_LIMIT_WINDOW_MAX_REQUESTS] [default: 1000]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-burst-window-seconds -d 'Length of the burst window, which starts with the first request of a burst [a whole number of seconds from 1 to 86400] [env: CERTSTREAM_RATE_LIMIT_BURST_WINDOW_SECONDS] [default: 10]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-max-clients -d 'Maximum number of clients remembered, about 200 bytes each; beyond it the least recently seen are forgotten [a whole number from 100 to 10000000] [env: CERTSTREAM_RATE_LIMIT_MAX_CLIENTS] [default: 50000]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l auth-enabled -d 'Require a token; without a valid one the answer is 401 [env: CERTSTREAM_AUTH_ENABLED] [default: false]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l auth-tokens -d 'Tokens of the tier Free [a list of tokens, without spaces, quotes around them or brackets, or of sha256: and 64 hex digits] [env: CERTSTREAM_AUTH_TOKENS] [default: []]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l auth-standard-tokens -d 'Tokens of the tier Standard [a list of tokens, without spaces, quotes around them or brackets, or of sha256: and 64 hex digits] [env: CERTSTREAM_AUTH_STANDARD_TOKENS] [default: []]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l auth-premium-tokens -d 'Tokens of the tier Premium [a list of tokens, without spaces, quotes around them or brackets, or of sha256: and 64 hex digits] [env: CERTSTREAM_AUTH_PREMIUM_TOKENS] [default: []]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l auth-header-name -d 'The request header that carries the token, alone or after "Bearer " [env: CERTSTREAM_AUTH_HEADER_NAME] [default: Authorization]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l auth-query-token -d 'Also accept the token in ?token=, for browsers, which cannot set headers; proxies log URLs [env: CERTSTREAM_AUTH_QUERY_TOKEN] [default: false]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l feed-ring-bytes -d 'Memory for the latest entries, from which clients resume; the default holds about 30 seconds of all logs, and certstream_ring_seconds shows the current length [a size from 64KiB to 64GiB] [env: CERTSTREAM_FEED_RING_BYTES] [default: 16MiB]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l feed-chunk-bytes -d 'Memory for the rendered messages of each feed that has readers [a size from 64KiB to 64GiB] [env: CERTSTREAM_FEED_CHUNK_BYTES] [default: 8MiB]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l feed-skip-empty-domains -d 'Leave certificates without domain names out of the domains-only stream [env: CERTSTREAM_FEED_SKIP_EMPTY_DOMAINS] [default: true]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l feed-gather-ms -d 'Maximum time that messages wait, under load, so that several go out in one write; with fewer clients it is shorter, and 0 sends everything at once [a whole number of milliseconds from 0 to 1000] [env: CERTSTREAM_FEED_GATHER_MS] [default: 20]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-rfc6962-enabled -d 'Follow RFC 6962 logs [env: CERTSTREAM_RFC6962_ENABLED] [default: true]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-static-ct-enabled -d 'Follow static-ct-api (tiled) logs [env: CERTSTREAM_STATIC_CT_ENABLED] [default: true]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-disable-default-logs -d 'Follow only custom_logs and static_logs, not the log list [env: CERTSTREAM_CT_LOG_DISABLE_DEFAULT_LOGS, CERTSTREAM_GENERAL_DISABLE_DEFAULT_LOGS] [default: false]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-log-list-url -d 'URL of the log list, in the v3 format that Chrome publishes [env: CERTSTREAM_CT_LOG_LOG_LIST_URL] [default: https://www.gstatic.com/ct/log_list/v3/log_list.json]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-log-list-key-file -d 'PEM public key that the log list is signed with, instead of Chrome\'s [env: CERTSTREAM_CT_LOG_LOG_LIST_KEY_FILE]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-log-list-cache -d 'File that caches the log lists for a start without network, and the newest version seen, so that an older one is never used; by default a file beside ct_log.state_file [env: CERTSTREAM_CT_LOG_LOG_LIST_CACHE]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-extra-log-lists -d 'Further log lists in the same format, without a signature, such as Apple\'s (https://valid.apple.com/ct/log_list/current_log_list.json); they only add logs: a log that they drop is still followed [env: CERTSTREAM_CT_LOG_EXTRA_LOG_LISTS] [default: []]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-log-refresh-interval-secs -d 'Time between fetches of the log lists; 0 fetches them only at the start [a whole number of seconds from 0 to 604800] [env: CERTSTREAM_CT_LOG_REFRESH_INTERVAL_SECS] [default: 3600]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-removed-log-policy -d 'What to do when a log leaves the signed list or the states in ct_log.states: stop reads it to its end, keep follows it as before [one of stop, keep] [env: CERTSTREAM_CT_LOG_REMOVED_POLICY] [default: stop]' -r -f -a "stop\t''
keep\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-checkpoint-signature-mode -d 'For configurations of certstream-server-rust. A tree head with an invalid signature is never used, so warn is the same as enforce, with a warning at the start [one of enforce, warn] [env: CERTSTREAM_STATIC_CT_CHECKPOINT_SIGNATURE] [default: enforce]' -r -f -a "enforce\t''
warn\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-states -d 'States of the logs to follow from the log list [one or more of pending, qualified, usable, readonly, retired, rejected] [env: CERTSTREAM_CT_LOG_STATES] [default: [qualified, usable, readonly]]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-include-test -d 'Also follow test logs, mirrors and logs without a state, from Chrome\'s list of all logs unless ct_log.log_list_url names another list [env: CERTSTREAM_CT_LOG_INCLUDE_TEST] [default: false]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-exclude -d 'Logs of the lists not to follow, each given by operator, name, log id or URL; the URL of a host excludes all its logs [env: CERTSTREAM_CT_LOG_EXCLUDE] [default: []]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-excluded-operators -d 'The same, by operator only [env: CERTSTREAM_CT_LOG_EXCLUDED_OPERATORS] [default: []]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-excluded-logs -d 'The same, by name, log id or URL only [env: CERTSTREAM_CT_LOG_EXCLUDED_LOGS] [default: []]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-start -d 'Where a log without a saved position starts [head, zero or an entry\'s index] [env: CERTSTREAM_CT_LOG_START] [default: head]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-start-overlap-leaves -d 'How many entries before the head a start at the head begins [a whole number from 0 to 100000] [env: CERTSTREAM_CT_LOG_START_OVERLAP_LEAVES] [default: 256]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-state-file -d 'File to save positions in and to resume from; without it every start begins afresh [env: CERTSTREAM_CT_LOG_STATE_FILE]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-state-recovery -d 'What to do with a state file that cannot be read: fresh sets it aside and starts all logs afresh, fail refuses to start [one of fresh, fail] [env: CERTSTREAM_CT_LOG_STATE_RECOVERY] [default: fresh]' -r -f -a "fresh\t''
fail\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-import-index -d 'Positions in the format of certstream-server-go (ct_index.json), for logs that ct_log.state_file does not know yet; the file is never written [env: CERTSTREAM_CT_LOG_IMPORT_INDEX]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-resume-overlap-secs -d 'How far saved positions trail the stream, so that a restart repeats entries rather than skipping any [a whole number of seconds from 0 to 3600] [env: CERTSTREAM_CT_LOG_RESUME_OVERLAP_SECS] [default: 10]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-max-catchup-lag-entries -d 'How many entries a log may be behind before it skips to its head, at least 10000; 0 never skips. Skipped entries are logged and counted [a whole number, at least 0] [env: CERTSTREAM_CT_LOG_MAX_CATCHUP_LAG_ENTRIES] [default: 0]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-max-catchup-lag-secs -d 'The same in time, from the newest entry read to the log\'s head, at least 300 [a whole number of seconds from 0 to 4294967295] [env: CERTSTREAM_CT_LOG_MAX_CATCHUP_LAG_SECS] [default: 0]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-batch-size -d 'Maximum number of entries per request; the server learns how many each log returns at once [a whole number from 1 to 65536] [env: CERTSTREAM_CT_LOG_BATCH_SIZE] [default: 256]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-poll-interval-ms -d 'Maximum time between polls of a log; a log with new entries is polled sooner when more are due, an idle one at most once a second [a whole number of milliseconds from 1 to 3600000] [env: CERTSTREAM_CT_LOG_POLL_INTERVAL_MS] [default: 1000]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-fetch-concurrency -d 'Maximum number of requests to one log at a time [a whole number from 1 to 16] [env: CERTSTREAM_CT_LOG_FETCH_CONCURRENCY] [default: 4]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-default-operator-rate-limit-ms -d 'Fixed time between two requests to a host; with 0 the server learns how many requests a host accepts [a whole number of milliseconds from 0 to 3600000] [env: CERTSTREAM_CT_LOG_DEFAULT_OPERATOR_RATE_LIMIT_MS] [default: 0]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-operator-rate-limits -d 'The same for the hosts of particular operators; in a file also a map of names and milliseconds [operators with milliseconds up to 3600000, such as Google=100,DigiCert=50] [env: CERTSTREAM_CT_LOG_OPERATOR_RATE_LIMITS] [default: ""]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-in-flight-bytes -d 'Memory for responses of logs, from the first byte received until they are published; one log may use a quarter [a size from 1MiB to 1GiB] [env: CERTSTREAM_CT_LOG_IN_FLIGHT_BYTES] [default: 64MiB]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-allow-private-addresses -d 'Connect to private addresses for logs that only a log list names; custom_logs, static_logs, and lists at private addresses with their logs are always allowed [env: CERTSTREAM_CT_LOG_ALLOW_PRIVATE_ADDRESSES] [default: false]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-partial-tile-wait-ms -d 'Maximum time to wait for the newest tile of a static-ct-api log to fill up before it is read [a whole number of milliseconds from 0 to 600000] [env: CERTSTREAM_CT_LOG_PARTIAL_TILE_WAIT_MS] [default: 2000]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-request-timeout-secs -d 'Time limit of a request to a log [a whole number of seconds from 1 to 3600] [env: CERTSTREAM_CT_LOG_REQUEST_TIMEOUT_SECS] [default: 30]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-retry-max-attempts -d 'Attempts at a request before it counts as a failure of the log [a whole number, at least 0] [env: CERTSTREAM_CT_LOG_RETRY_MAX_ATTEMPTS] [default: 3]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-retry-initial-delay-ms -d 'Wait before the second attempt; it doubles with each further one [a whole number of milliseconds from 1 to 3600000] [env: CERTSTREAM_CT_LOG_RETRY_INITIAL_DELAY_MS] [default: 1000]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-retry-max-delay-ms -d 'Maximum wait between two attempts [a whole number of milliseconds from 1 to 3600000] [env: CERTSTREAM_CT_LOG_RETRY_MAX_DELAY_MS] [default: 30000]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-healthy-threshold -d 'Consecutive successes that make a failing log healthy [a whole number, at least 1] [env: CERTSTREAM_CT_LOG_HEALTHY_THRESHOLD] [default: 2]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-unhealthy-threshold -d 'Consecutive failures that make a log unhealthy [a whole number, at least 1] [env: CERTSTREAM_CT_LOG_UNHEALTHY_THRESHOLD] [default: 5]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-health-check-interval-secs -d 'Time between attempts at an unhealthy log [a whole number of seconds from 1 to 86400] [env: CERTSTREAM_CT_LOG_HEALTH_CHECK_INTERVAL_SECS] [default: 60]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-user-agent -d 'User-Agent of requests to logs; blank for the server\'s own. Some logs slow down clients whose User-Agent contains neither an e-mail address nor a URL [env: CERTSTREAM_USER_AGENT] [default: ""]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l hot-reload-enabled -d 'Reload the configuration when its file changes, also by rename or through a changed link [env: CERTSTREAM_HOT_RELOAD_ENABLED] [default: false]' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l hot-reload-watch-path -d 'File, or directory of files, whose changes also reload the configuration [env: CERTSTREAM_HOT_RELOAD_WATCH_PATH]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l demo -d 'Run on simulated logs, without network or state; settings for log sources and state are ignored, all others apply'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l dry-run -d 'Serve clients, but read no logs'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l validate-config -d 'Check the configuration and the files it names, print a summary and all warnings, and exit'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l print-config -d 'Print the complete configuration as YAML, with secrets hidden, and exit'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -s V -s v -l version -d 'Print the version'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -s h -l help -d 'Print help'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -f -a "logs" -d 'Show the logs in the state file, and acknowledge alarms'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -f -a "validate" -d 'The same as --validate-config'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -f -a "create-index" -d 'Write every log\'s current head index to a file in certstream-server-go\'s format; see ct_log.import_index'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -f -a "healthcheck" -d 'Query a running server\'s health; exit status 0 if it is healthy, otherwise 1'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand logs; and not __fish_seen_subcommand_from list ack" -s c -l config -d 'Configuration file [env: CERTSTREAM_CONFIG] [default: the first that exists of config.yaml, config.yml, /etc/certstream/config.yaml]' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand logs; and not __fish_seen_subcommand_from list ack" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand logs; and not __fish_seen_subcommand_from list ack" -s h -l help -d 'Print help'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand logs; and not __fish_seen_subcommand_from list ack" -f -a "list" -d 'List each log\'s position and open alarms'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand logs; and not __fish_seen_subcommand_from list ack" -f -a "ack" -d 'Acknowledge a log\'s alarms, whether or not the server is running'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand logs; and __fish_seen_subcommand_from list" -s c -l config -d 'Configuration file [env: CERTSTREAM_CONFIG] [default: the first that exists of config.yaml, config.yml, /etc/certstream/config.yaml]' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand logs; and __fish_seen_subcommand_from list" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand logs; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand logs; and __fish_seen_subcommand_from ack" -s c -l config -d 'Configuration file [env: CERTSTREAM_CONFIG] [default: the first that exists of config.yaml, config.yml, /etc/certstream/config.yaml]' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand logs; and __fish_seen_subcommand_from ack" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand logs; and __fish_seen_subcommand_from ack" -s h -l help -d 'Print help'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand validate" -s c -l config -d 'Configuration file [env: CERTSTREAM_CONFIG] [default: the first that exists of config.yaml, config.yml, /etc/certstream/config.yaml]' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand validate" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand validate" -s h -l help -d 'Print help'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand create-index" -s o -l out -d 'File to write [default: ct_log.import_index, or else ct_index.json]' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand create-index" -s c -l config -d 'Configuration file [env: CERTSTREAM_CONFIG] [default: the first that exists of config.yaml, config.yml, /etc/certstream/config.yaml]' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand create-index" -s f -l force -d 'Replace the file if it exists'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand create-index" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand create-index" -s h -l help -d 'Print help'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand healthcheck" -l url -d 'Query this URL instead of /health/deep on the configured host and port' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand healthcheck" -s c -l config -d 'Configuration file [env: CERTSTREAM_CONFIG] [default: the first that exists of config.yaml, config.yml, /etc/certstream/config.yaml]' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand healthcheck" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand healthcheck" -s h -l help -d 'Print help'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and not __fish_seen_subcommand_from logs validate create-index healthcheck help" -f -a "logs" -d 'Show the logs in the state file, and acknowledge alarms'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and not __fish_seen_subcommand_from logs validate create-index healthcheck help" -f -a "validate" -d 'The same as --validate-config'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and not __fish_seen_subcommand_from logs validate create-index healthcheck help" -f -a "create-index" -d 'Write every log\'s current head index to a file in certstream-server-go\'s format; see ct_log.import_index'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and not __fish_seen_subcommand_from logs validate create-index healthcheck help" -f -a "healthcheck" -d 'Query a running server\'s health; exit status 0 if it is healthy, otherwise 1'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and not __fish_seen_subcommand_from logs validate create-index healthcheck help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and __fish_seen_subcommand_from logs" -f -a "list" -d 'List each log\'s position and open alarms'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and __fish_seen_subcommand_from logs" -f -a "ack" -d 'Acknowledge a log\'s alarms, whether or not the server is running'
