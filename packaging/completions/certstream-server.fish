# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_certstream_server_global_optspecs
    string join \n c/config= demo dry-run validate-config strict print-config changed V/version p/port= ct-log-state-file= protocols-sse= l/log-level= host= tls-cert= tls-key= log-format= log-client-addresses= max-message-bytes= compat-profile= slow-client= worker-threads= shutdown-grace-ms= role= data-dir= verification= verification-evidence-dir= trusted-proxies= real-ip= ip-allow-list= protocols-websocket= protocols-metrics= protocols-health= protocols-example-json= protocols-api= protocols-stats= protocols-page= prometheus-enabled= prometheus-listen-addr= prometheus-listen-port= prometheus-metrics-url= prometheus-expose-system-metrics= prometheus-cert-path= prometheus-cert-key-path= prometheus-whitelist= prometheus-trusted-proxies= prometheus-real-ip= metrics-compat= api-cache-capacity= api-cache-bytes= stats-url= stats-client-addresses= streams-full= streams-lite= streams-domains-only= streams-full-path= streams-lite-path= streams-domains-only-path= dedup-enabled= dedup-mode= dedup-capacity= dedup-ttl-secs= heartbeat-mode= heartbeat-interval-secs= compression-websocket= compression-sse= filters-max-terms= filters-max-distinct= connection-limit-enabled= connection-limit-max-connections= connection-limit-per-ip-limit= connection-limit-max-pending= connection-limit-max-pending-per-ip= rate-limit-enabled= rate-limit-free-max-tokens= rate-limit-free-refill-rate= rate-limit-free-burst= rate-limit-standard-max-tokens= rate-limit-standard-refill-rate= rate-limit-standard-burst= rate-limit-premium-max-tokens= rate-limit-premium-refill-rate= rate-limit-premium-burst= rate-limit-window-seconds= rate-limit-window-max-requests= rate-limit-burst-window-seconds= rate-limit-max-clients= auth-enabled= auth-tokens= auth-standard-tokens= auth-premium-tokens= auth-header-name= auth-query-token= feed-ring-bytes= feed-chunk-bytes= feed-skip-empty-domains= feed-gather-ms= journal-sync= journal-max-bytes= journal-max-age= journal-segment-bytes= journal-first-seen-max-bytes= cluster-url= cluster-stream= cluster-replicas= cluster-max-bytes= cluster-max-age= cluster-max-lag-secs= cluster-outage-grace-secs= cluster-durable= cluster-user= cluster-password-file= cluster-token-file= cluster-nkey-file= cluster-creds-file= cluster-ca-file= cluster-tls= ct-log-rfc6962-enabled= ct-log-static-ct-enabled= ct-log-disable-default-logs= ct-log-log-list-url= ct-log-log-list-key-file= ct-log-log-list-cache= ct-log-extra-log-lists= ct-log-log-refresh-interval-secs= ct-log-removed-log-policy= ct-log-checkpoint-signature-mode= ct-log-states= ct-log-include-test= ct-log-exclude= ct-log-excluded-operators= ct-log-excluded-logs= ct-log-start= ct-log-start-overlap-leaves= ct-log-state-recovery= ct-log-import-index= ct-log-resume-overlap-secs= ct-log-max-catchup-lag-entries= ct-log-max-catchup-lag-secs= ct-log-batch-size= ct-log-poll-interval-ms= ct-log-fetch-concurrency= ct-log-default-operator-rate-limit-ms= ct-log-operator-rate-limits= ct-log-in-flight-bytes= ct-log-allow-private-addresses= ct-log-partial-tile-wait-ms= ct-log-request-timeout-secs= ct-log-retry-max-attempts= ct-log-retry-initial-delay-ms= ct-log-retry-max-delay-ms= ct-log-healthy-threshold= ct-log-unhealthy-threshold= ct-log-health-check-interval-secs= ct-log-user-agent= compat-export-index= compat-export-state= hot-reload-enabled= hot-reload-watch-path= nats-enabled= nats-url= nats-stream= nats-subject-prefix= nats-stream-kind= nats-profile= nats-max-bytes= nats-replicas= nats-on-full= nats-queue-depth= nats-duplicate-window-secs= nats-publish-timeout-secs= nats-user= nats-password-file= nats-token-file= nats-nkey-file= nats-creds-file= nats-tls= nats-ca-file= nats-cert-file= nats-key-file= alerts-link= alerts-merge-entries= h/help
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

complete -c certstream-server -n "__fish_certstream_server_needs_command" -s c -l config -d 'Configuration file' -r -F
complete -c certstream-server -n "__fish_certstream_server_needs_command" -s p -l port -d 'TCP port to listen on [default: 8080]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-state-file -d 'Save positions here, and resume from them' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l protocols-sse -d 'Also stream over SSE, at /sse' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -s l -l log-level -d 'Log level [default: info]' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l host -d 'IP address to listen on; "::" (quoted in a file) accepts IPv6 and IPv4' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l tls-cert -d 'PEM certificate chain for TLS (https and wss), the server\'s own certificate first; reloaded when the file changes' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l tls-key -d 'PEM private key of that certificate; reloaded with it' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l log-format -d 'Format of the server\'s log lines: text to read, json for log collectors' -r -f -a "text\t''
json\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l log-client-addresses -d 'Log client addresses, in one line when a client connects and one when it disconnects; also show them in the per-client metrics of metrics.compat' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l max-message-bytes -d 'Largest message sent; a larger one is sent without as_der and chain, then without further parts, and is marked as truncated' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l compat-profile -d 'Message format for clients that do not pass ?compat=: that of CaliDog\'s server, certstream-server-go or certstream-server-rust' -r -f -a "calidog\t''
go\t''
rust\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l slow-client -d 'What to do when a client falls behind the buffer: drop skips messages; disconnect notifies the client and closes the connection' -r -f -a "drop\t''
disconnect\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l worker-threads -d 'Threads that serve clients and read logs; 0 for one per core' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l shutdown-grace-ms -d 'Maximum time to wait for connections to end after SIGTERM or Ctrl-C' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l role -d 'Part of this server in a cluster (section cluster): ingest reads the logs while it leads; edge serves clients; all does both. Without a cluster it is all' -r -f -a "all\t''
ingest\t''
edge\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l data-dir -d 'Directory for everything that the server keeps: the journal (section journal), evidence of alarms and the cached log lists; a node of a cluster keeps no journal. Without one, nothing published outlives the server, and positions are kept in ct_log.state_file if that is set' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l verification -d 'How to handle entries that do not match the log\'s signed tree: report sends everything and raises an alarm; enforce sends nothing until it is verified, and stops the log until its alarm is acknowledged; off does not check' -r -f -a "enforce\t''
report\t''
off\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l verification-evidence-dir -d 'Directory for the evidence of alarms; by default one in data_dir or beside ct_log.state_file, and none without either' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l trusted-proxies -d 'Proxies whose X-Forwarded-For header is trusted. The client is the rightmost address in it that is not itself a trusted proxy. Other headers are ignored' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l real-ip -d 'false ignores X-Forwarded-For even from trusted_proxies; otherwise the header is trusted from trusted_proxies only, unlike in certstream-server-go' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ip-allow-list -d 'Addresses that may use streams, /api, /crtsh (also as /?q=), /stats and /latest.json; others get 403. Empty allows everyone' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l protocols-websocket -d 'The streams over WebSocket' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l protocols-metrics -d 'Metrics, at /metrics' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l protocols-health -d 'Health, at /health, /health/deep and /health/ready' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l protocols-example-json -d 'The latest message of each stream, at /example.json' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l protocols-api -d 'The REST API, under /api' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l protocols-stats -d 'Statistics in the form of CaliDog\'s server, at stats.url' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l protocols-page -d 'The web page, at /' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l prometheus-enabled -d 'Serve metrics only on a listener of their own; if off, the main listener serves them where protocols.metrics is on' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l prometheus-listen-addr -d 'IP address of that listener' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l prometheus-listen-port -d 'TCP port of that listener; with the server\'s own address and port, both share one listener' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l prometheus-metrics-url -d 'Path of the metrics, on either listener' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l prometheus-expose-system-metrics -d 'Show memory, CPU time and open files of the process, and statistics of its allocator' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l prometheus-cert-path -d 'PEM certificate chain for TLS on that listener; reloaded when the file changes' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l prometheus-cert-key-path -d 'PEM private key of that certificate' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l prometheus-whitelist -d 'Addresses that may read metrics, on either listener; others get 403. Empty allows everyone' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l prometheus-trusted-proxies -d 'Proxies whose X-Forwarded-For header is trusted on the metrics listener, as trusted_proxies are on the main one' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l prometheus-real-ip -d 'false ignores X-Forwarded-For even from prometheus.trusted_proxies' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l metrics-compat -d 'Also show metrics under the names of certstream-server-go or certstream-server-rust' -r -f -a "go\t''
rust\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l api-cache-capacity -d 'Maximum number of certificates, the latest ones, that /api/cert can return; 0 keeps none' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l api-cache-bytes -d 'Maximum size of these certificates, in bytes of DER' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l stats-url -d 'Path of the statistics' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l stats-client-addresses -d 'Show the clients\' addresses and User-Agents in the statistics' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l streams-full -d 'The full stream: certificates with DER and chain' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l streams-lite -d 'The lite stream: certificates without DER and chain' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l streams-domains-only -d 'The domains-only stream: only the domain names' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l streams-full-path -d 'Path of the full stream, with or without a trailing slash' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l streams-lite-path -d 'Path of the lite stream; it is also at / unless another stream is there' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l streams-domains-only-path -d 'Path of the domains-only stream' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l dedup-enabled -d 'Send a certificate once, however many logs contain it' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l dedup-mode -d 'What counts as a duplicate: the same bytes (certificate), or also a precertificate and its final certificate (linked)' -r -f -a "certificate\t''
linked\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l dedup-capacity -d 'Maximum number of certificates remembered; each takes about 35 bytes' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l dedup-ttl-secs -d 'How long a certificate is remembered' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l heartbeat-mode -d 'When to send heartbeats: idle, after a quiet interval; always, at every interval; off, never' -r -f -a "idle\t''
always\t''
off\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l heartbeat-interval-secs -d 'Quiet time before a heartbeat (idle), or time between heartbeats (always)' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l compression-websocket -d 'Offer permessage-deflate (RFC 7692) to WebSocket clients' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l compression-sse -d 'Offer gzip to SSE clients (Accept-Encoding)' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l filters-max-terms -d 'Maximum number of different terms in the filter of one connection' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l filters-max-distinct -d 'Maximum number of different terms in the filters of all connections together, of 32 bytes each on average. One address may use a quarter of them' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l connection-limit-enabled -d 'Enforce max_connections and per_ip_limit' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l connection-limit-max-connections -d 'Maximum number of streams at a time' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l connection-limit-per-ip-limit -d 'Maximum number of streams per address at a time; 0 or null for no limit' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l connection-limit-max-pending -d 'Maximum number of connections that are not streams (TLS handshake, request, response); further ones wait. Always enforced' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l connection-limit-max-pending-per-ip -d 'The same per address, except for trusted_proxies; further ones are closed. Always enforced' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-enabled -d 'Limit requests; over the limit the response is 429 with Retry-After' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-free-max-tokens -d 'Free: requests in a full bucket' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-free-refill-rate -d 'Free: requests added to the bucket each second, more than 0' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-free-burst -d 'Free: further requests allowed in each burst window while the bucket is empty' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-standard-max-tokens -d 'Standard: requests in a full bucket' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-standard-refill-rate -d 'Standard: requests added to the bucket each second, more than 0' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-standard-burst -d 'Standard: further requests allowed in each burst window while the bucket is empty' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-premium-max-tokens -d 'Premium: requests in a full bucket' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-premium-refill-rate -d 'Premium: requests added to the bucket each second, more than 0' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-premium-burst -d 'Premium: further requests allowed in each burst window while the bucket is empty' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-window-seconds -d 'Length of the sliding window' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-window-max-requests -d 'Maximum number of requests of a Free client in any such window; Standard and Premium get more, in proportion to their buckets' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-burst-window-seconds -d 'Length of the burst window, which starts with the first request of a burst' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l rate-limit-max-clients -d 'Maximum number of clients remembered, about 200 bytes each; beyond it the least recently seen are forgotten' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l auth-enabled -d 'Require a token; without a valid one the response is 401' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l auth-tokens -d 'Tokens of the tier Free' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l auth-standard-tokens -d 'Tokens of the tier Standard' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l auth-premium-tokens -d 'Tokens of the tier Premium' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l auth-header-name -d 'The request header that carries the token, alone or after "Bearer "' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l auth-query-token -d 'Also accept the token in ?token=, for browsers, which cannot set headers; note that proxies log URLs' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l feed-ring-bytes -d 'Memory for the latest entries, from which clients resume; the default holds about 25 seconds of all logs, and certstream_ring_seconds shows the current length' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l feed-chunk-bytes -d 'Memory for the rendered messages of each feed that has readers' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l feed-skip-empty-domains -d 'Leave certificates without domain names out of the domains-only stream' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l feed-gather-ms -d 'Maximum time that messages wait, under load, so that several go out in one write; with fewer clients it is shorter, and 0 sends everything at once' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l journal-sync -d 'When messages are synced to disk, so that they survive a power failure: batch, before clients get them; interval, once a second. Nothing is lost if only the server is killed' -r -f -a "batch\t''
interval\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l journal-max-bytes -d 'Disk space for the journal; beyond it the oldest entries are deleted. 10GiB is about 15 hours of all logs; the server logs the time that it covers' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l journal-max-age -d 'Age at which entries are deleted from the journal; by default only journal.max_bytes limits it' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l journal-segment-bytes -d 'Size of a file of the journal, at most a quarter of journal.max_bytes; entries are deleted in whole files' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l journal-first-seen-max-bytes -d 'Disk space to remember the registrable domains that were seen, for new=true and /api/first-seen: 20 bytes for each, long after the journal has deleted the entry. 4GiB is about 200 million domains; beyond it, those that were not seen for longest count as new again' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l cluster-url -d 'NATS servers of the cluster, as URLs such as nats://nats-1:4222; tls:// requires TLS. Naming one makes this server a node' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l cluster-stream -d 'The JetStream stream, the same for all nodes; it is created if it is absent, and never changed' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l cluster-replicas -d 'Copies of the stream on NATS servers, if it is created: 1, 3 or 5. With 3, one NATS server may fail, with 5 two' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l cluster-max-bytes -d 'Size of the stream on each NATS server, if it is created; beyond it the oldest entries are deleted' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l cluster-max-age -d 'Age at which entries are deleted, if the stream is created; by default only cluster.max_bytes limits it' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l cluster-max-lag-secs -d 'How far this node may be behind the stream before /health/ready answers 503' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l cluster-outage-grace-secs -d 'How long /health/ready still answers 200 while no NATS server responds, so that a load balancer does not disconnect every client' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l cluster-durable -d 'Declares that every NATS server has sync_interval: always, so that none loses in a power failure what it acknowledged. Offsets then do not jump when another node takes over. After an older copy of the stream is restored, the first leader needs false: otherwise offsets that clients have seen are given to other certificates' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l cluster-user -d 'User, with cluster.password_file' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l cluster-password-file -d 'File with the user\'s password' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l cluster-token-file -d 'File with a token' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l cluster-nkey-file -d 'File with the seed of an NKey' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l cluster-creds-file -d 'Credentials file with a JWT and the seed of its NKey' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l cluster-ca-file -d 'PEM certificates of the authorities that the NATS servers\' certificates are checked with, instead of those of the system' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l cluster-tls -d 'Require TLS; otherwise it is used if the NATS server requires it' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-rfc6962-enabled -d 'Follow RFC 6962 logs' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-static-ct-enabled -d 'Follow static-ct-api (tiled) logs' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-disable-default-logs -d 'Follow only custom_logs and static_logs, not the log list' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-log-list-url -d 'URL of the log list, in the v3 format that Chrome publishes' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-log-list-key-file -d 'PEM public key that the log list is signed with, instead of Chrome\'s' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-log-list-cache -d 'File that caches the log lists for a start without network, and the newest version seen, so that an older one is never used; by default a file in data_dir, or else beside ct_log.state_file' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-extra-log-lists -d 'Further log lists in the same format, without a signature, such as Apple\'s (https://valid.apple.com/ct/log_list/current_log_list.json); they only add logs: a log that they drop is still followed' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-log-refresh-interval-secs -d 'Time between fetches of the log lists; 0 fetches them only at startup' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-removed-log-policy -d 'What to do when a log leaves the signed list or the states in ct_log.states: stop reads it to its end, keep follows it as before' -r -f -a "stop\t''
keep\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-checkpoint-signature-mode -d 'For configurations of certstream-server-rust. A tree head with an invalid signature is never used, so warn is the same as enforce, with a warning at startup' -r -f -a "enforce\t''
warn\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-states -d 'States of the logs to follow from the log list' -r -f -a "pending\t''
qualified\t''
usable\t''
readonly\t''
retired\t''
rejected\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-include-test -d 'Also follow test logs, mirrors and logs without a state, from Chrome\'s list of all logs unless ct_log.log_list_url names another list' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-exclude -d 'Logs of the lists not to follow, each given by operator, name, log id or URL; the URL of a host excludes all its logs' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-excluded-operators -d 'The same, by operator only' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-excluded-logs -d 'The same, by name, log id or URL only' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-start -d 'Where a log without a saved position starts' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-start-overlap-leaves -d 'With ct_log.start: head, how many entries before the head a log starts' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-state-recovery -d 'What to do with a state file that cannot be read: fresh sets it aside and starts all logs afresh, fail refuses to start' -r -f -a "fresh\t''
fail\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-import-index -d 'Positions in the format of certstream-server-go (ct_index.json), for logs that ct_log.state_file does not know yet; the file is written only if compat.export_index names it too' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-resume-overlap-secs -d 'How far saved positions trail the stream, so that a restart repeats entries rather than skipping any' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-max-catchup-lag-entries -d 'How many entries a log may be behind before it skips to its head, at least 10000; 0 never skips. Skipped entries are logged and counted' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-max-catchup-lag-secs -d 'The same in time, from the newest entry read to the log\'s head, at least 300' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-batch-size -d 'Maximum number of entries per request; the server learns how many each log returns at once' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-poll-interval-ms -d 'Maximum time between polls of a log; a log with new entries is polled sooner when more are due, an idle one at most once a second' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-fetch-concurrency -d 'Maximum number of requests to one log at a time' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-default-operator-rate-limit-ms -d 'Fixed time between two requests to a host; with 0 the server learns how many requests a host accepts' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-operator-rate-limits -d 'The same for the hosts of particular operators; in a file also a map of names and milliseconds' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-in-flight-bytes -d 'Memory for responses of logs, from the first byte received until they are published; one log may use a quarter' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-allow-private-addresses -d 'Connect to private addresses for logs that only a log list names; custom_logs, static_logs, and lists at private addresses with their logs are always allowed' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-partial-tile-wait-ms -d 'Maximum time to wait for the newest tile of a static-ct-api log to fill up before it is read' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-request-timeout-secs -d 'Time limit of a request to a log' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-retry-max-attempts -d 'Maximum number of attempts at a request before it counts as a failure of the log' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-retry-initial-delay-ms -d 'Wait before the second attempt; it doubles with each further one' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-retry-max-delay-ms -d 'Maximum wait between two attempts' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-healthy-threshold -d 'Consecutive successes that make a failing log healthy' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-unhealthy-threshold -d 'Consecutive failures that make a log unhealthy' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-health-check-interval-secs -d 'Time between attempts at an unhealthy log' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l ct-log-user-agent -d 'User-Agent of requests to logs; blank for the default. Some logs slow down clients whose User-Agent contains neither an e-mail address nor a URL' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l compat-export-index -d 'File to keep up to date with positions in the format of certstream-server-go, so that you can go back to that server; may be ct_log.import_index' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l compat-export-state -d 'State file to write besides the journal, in the format of ct_log.state_file, for going back to a version or a server without a journal' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l hot-reload-enabled -d 'Reload the configuration when its file changes, also by rename or through a changed link' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l hot-reload-watch-path -d 'File, or directory of files, whose changes also reload the configuration' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l nats-enabled -d 'Publish to NATS JetStream' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l nats-url -d 'URLs of NATS servers, separated by commas; tls:// requires TLS' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l nats-stream -d 'The JetStream stream; it is created if it is absent, and never changed' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l nats-subject-prefix -d 'Subjects are PREFIX.OPERATOR.LOG' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l nats-stream-kind -d 'The part of each certificate that is published' -r -f -a "full\t''
lite\t''
domains-only\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l nats-profile -d 'The format of messages, as compat_profile' -r -f -a "calidog\t''
go\t''
rust\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l nats-max-bytes -d 'Size of the stream, if it is created; when it is full, NATS refuses messages' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l nats-replicas -d 'Copies of the stream in a NATS cluster, if it is created' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l nats-on-full -d 'What happens while NATS takes no messages: block waits, and continues where it stopped; drop leaves out what a full stream refuses, and everything once it is nats.queue_depth behind' -r -f -a "block\t''
drop\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l nats-queue-depth -d 'Certificates that nats.on_full: drop may be behind' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l nats-duplicate-window-secs -d 'Time in which NATS drops repeated messages, if the stream is created' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l nats-publish-timeout-secs -d 'Longest wait for an acknowledgement, before the message is published again' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l nats-user -d 'The user; blank for none' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l nats-password-file -d 'File with the user\'s password' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l nats-token-file -d 'File with a token' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l nats-nkey-file -d 'File with the seed of an NKey' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l nats-creds-file -d 'Credentials file with a JWT and the seed of its NKey' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l nats-tls -d 'Require TLS; otherwise it is used if the server requires it' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l nats-ca-file -d 'PEM certificates of the authorities that the broker\'s certificate is checked with, instead of those of the system' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l nats-cert-file -d 'PEM certificate chain of this client, if the broker requires one' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l nats-key-file -d 'PEM private key of cert_file' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l alerts-link -d 'The public URL of this server: alerts link to its page about the certificate; without it, they have no link' -r
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l alerts-merge-entries -d 'A precertificate and its final certificate are one alert' -r -f -a "true\t''
false\t''"
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l demo -d 'Simulated certificates, no network'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l dry-run -d 'Serve clients, but read no logs'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l validate-config -d 'Check the configuration, and exit'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l print-config -d 'Print the complete configuration as YAML, with secrets hidden, and exit'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -l changed -d 'With --print-config: print only what differs from the defaults, and where each value comes from'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -s V -s v -l version -d 'Print the version'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -f -a "tail" -d 'Print the stream of a server, one line per certificate'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -f -a "search" -d 'Search the certificates that a server keeps'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -f -a "healthcheck" -d 'Query a running server\'s health; exit 0 if healthy or degraded, otherwise 1'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -f -a "validate" -d 'Check the configuration; the same as --validate-config'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -f -a "logs" -d 'Show the logs in the journal or the state file, and acknowledge alarms'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -f -a "alerts" -d 'List alerts, send those again that did not arrive, or test receivers'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -f -a "backfill" -d 'List entries of logs that are missing in the journal, or read them into it'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -f -a "journal" -d 'Show, verify or export a journal, also while the server runs; rename a restored copy'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -f -a "create-index" -d 'Write every log\'s current size, as certstream-server-go does'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -f -a "completions" -d 'Print the completions of a shell; see --help to install them'
complete -c certstream-server -n "__fish_certstream_server_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand tail" -s u -l url -d 'The server: any certstream server, over ws:// or wss:// [default: the one of this configuration, on this machine]' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand tail" -l domain -d 'Only certificates for these domains and names below them' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand tail" -l match -d 'Only certificates with a name that contains one of these' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand tail" -l issuer -d 'Only certificates whose issuer name contains one of these' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand tail" -l log -d 'Only entries of logs whose name contains one of these' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand tail" -l entry -d 'Only precertificates, or only final certificates; most certificates are logged as both' -r -f -a "precert\t''
final\t''"
complete -c certstream-server -n "__fish_certstream_server_using_subcommand tail" -l stream -d 'The stream to print' -r -f -a "lite\t''
full\t''
domains\t''"
complete -c certstream-server -n "__fish_certstream_server_using_subcommand tail" -l resume -d 'Save the position in this file, and resume there when started again; one file per tail' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand tail" -l token-file -d 'File that contains the server\'s token; alternatively, set CERTSTREAM_TOKEN' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand tail" -l token-header -d 'Header that carries the token' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand tail" -l ca-file -d 'PEM file of certificate authorities to trust in addition to the system\'s, or of exactly the server\'s certificate' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand tail" -s c -l config -d 'Configuration file' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand tail" -l json -d 'Print the messages as JSON, one per line, for jq and scripts'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand tail" -l from-oldest -d 'Start with the oldest message that the server still has'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand tail" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand tail" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand search" -s u -l url -d 'Search through the API of this server (http:// or https://) in place of a directory' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand search" -l domain -d 'Only certificates for these domains and names below them, or these addresses' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand search" -l match -d 'Only certificates with a name that contains one of these' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand search" -l ip -d 'Only certificates for these addresses or networks' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand search" -l issuer -d 'Only certificates whose issuer name contains one of these' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand search" -l log -d 'Only entries of logs whose name contains one of these' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand search" -l serial -d 'Only certificates with this serial number' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand search" -l entry -d 'Only precertificates, or only final certificates' -r -f -a "precert\t''
final\t''"
complete -c certstream-server -n "__fish_certstream_server_using_subcommand search" -l unique -d 'Each issuer and serial number once, or only certificates with a name that none before has' -r -f -a "certificate\t''
name\t''"
complete -c certstream-server -n "__fish_certstream_server_using_subcommand search" -l order -d 'The first to print [default: newest]' -r -f -a "newest\t''
oldest\t''"
complete -c certstream-server -n "__fish_certstream_server_using_subcommand search" -l since -d 'First certificate: a time, a time ago (7d, 12h), or an offset (@N)' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand search" -l until -d 'Certificate to stop before, in the same forms' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand search" -l limit -d 'Certificates at most' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand search" -l token-file -d 'File that contains the server\'s token; alternatively, set CERTSTREAM_TOKEN' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand search" -l token-header -d 'Header that carries the token' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand search" -l ca-file -d 'PEM file of certificate authorities to trust in addition to the system\'s, or of exactly the server\'s certificate' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand search" -s c -l config -d 'Configuration file' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand search" -l new -d 'Only certificates with a registrable domain that the server had not seen before'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand search" -l json -d 'Print JSON, one certificate a line, on a terminal too'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand search" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand search" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand healthcheck" -l url -d 'Query this URL instead of /health/deep on the configured host and port' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand healthcheck" -s c -l config -d 'Configuration file' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand healthcheck" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand healthcheck" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand validate" -s c -l config -d 'Configuration file' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand validate" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand validate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand logs; and not __fish_seen_subcommand_from list ack" -s c -l config -d 'Configuration file' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand logs; and not __fish_seen_subcommand_from list ack" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand logs; and not __fish_seen_subcommand_from list ack" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand logs; and not __fish_seen_subcommand_from list ack" -f -a "list" -d 'List each log\'s position and open alarms'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand logs; and not __fish_seen_subcommand_from list ack" -f -a "ack" -d 'Acknowledge a log\'s alarms, whether or not the server is running'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand logs; and __fish_seen_subcommand_from list" -s c -l config -d 'Configuration file' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand logs; and __fish_seen_subcommand_from list" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand logs; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand logs; and __fish_seen_subcommand_from ack" -s c -l config -d 'Configuration file' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand logs; and __fish_seen_subcommand_from ack" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand logs; and __fish_seen_subcommand_from ack" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and not __fish_seen_subcommand_from list retry test" -s c -l config -d 'Configuration file' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and not __fish_seen_subcommand_from list retry test" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and not __fish_seen_subcommand_from list retry test" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and not __fish_seen_subcommand_from list retry test" -f -a "list" -d 'Print the newest alerts, or those that did not arrive'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and not __fish_seen_subcommand_from list retry test" -f -a "retry" -d 'Send alerts again that did not arrive, also while the server runs'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and not __fish_seen_subcommand_from list retry test" -f -a "test" -d 'Send a sample alert to receivers now, without a server, and print what each answers'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and __fish_seen_subcommand_from list" -s u -l url -d 'The server, over http:// or https:// [default: the one of this configuration, on this machine]' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and __fish_seen_subcommand_from list" -l rule -d 'Only alerts of this rule' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and __fish_seen_subcommand_from list" -l limit -d 'Alerts at most, the newest ones' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and __fish_seen_subcommand_from list" -l token-file -d 'File that contains the server\'s token; alternatively, set CERTSTREAM_TOKEN' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and __fish_seen_subcommand_from list" -l token-header -d 'Header that carries the token' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and __fish_seen_subcommand_from list" -l ca-file -d 'PEM file of certificate authorities to trust in addition to the system\'s, or of exactly the server\'s certificate' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and __fish_seen_subcommand_from list" -s c -l config -d 'Configuration file' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and __fish_seen_subcommand_from list" -l dead-letters -d 'Print the alerts that did not arrive, from the data directory, in place of the newest ones of a running server'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and __fish_seen_subcommand_from list" -l json -d 'Print JSON, one alert a line'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and __fish_seen_subcommand_from list" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and __fish_seen_subcommand_from retry" -l rule -d 'Only alerts of this rule; repeat the option for others' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and __fish_seen_subcommand_from retry" -l receiver -d 'Only alerts for this receiver; repeat the option for others' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and __fish_seen_subcommand_from retry" -l to -d 'Send them to this receiver, whatever receiver they were for' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and __fish_seen_subcommand_from retry" -s c -l config -d 'Configuration file' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and __fish_seen_subcommand_from retry" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and __fish_seen_subcommand_from retry" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and __fish_seen_subcommand_from test" -s c -l config -d 'Configuration file' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and __fish_seen_subcommand_from test" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand alerts; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand backfill" -l log -d 'Read what is missing of this log: its name, URL or id' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand backfill" -s c -l config -d 'Configuration file' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand backfill" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand backfill" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand journal; and not __fish_seen_subcommand_from info verify export new-id" -s c -l config -d 'Configuration file' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand journal; and not __fish_seen_subcommand_from info verify export new-id" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand journal; and not __fish_seen_subcommand_from info verify export new-id" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand journal; and not __fish_seen_subcommand_from info verify export new-id" -f -a "info" -d 'Show what the journal has'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand journal; and not __fish_seen_subcommand_from info verify export new-id" -f -a "verify" -d 'Check that nothing is damaged and every index of every log is accounted for once; exit status 1 otherwise'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand journal; and not __fish_seen_subcommand_from info verify export new-id" -f -a "export" -d 'Write certificates to standard output'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand journal; and not __fish_seen_subcommand_from info verify export new-id" -f -a "new-id" -d 'Give a restored copy a new stream id before the server starts with it, so that nobody takes its offsets for those of the original'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand journal; and __fish_seen_subcommand_from info" -s c -l config -d 'Configuration file' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand journal; and __fish_seen_subcommand_from info" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand journal; and __fish_seen_subcommand_from info" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand journal; and __fish_seen_subcommand_from verify" -s c -l config -d 'Configuration file' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand journal; and __fish_seen_subcommand_from verify" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand journal; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand journal; and __fish_seen_subcommand_from export" -l since -d 'First certificate: a time, a time ago (7d, 12h), or an offset (@N)' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand journal; and __fish_seen_subcommand_from export" -l until -d 'Certificate to stop before, in the same forms' -r
complete -c certstream-server -n "__fish_certstream_server_using_subcommand journal; and __fish_seen_subcommand_from export" -l format -d 'ndjson: messages of the full stream; der: certificates one after another' -r -f -a "ndjson\t''
der\t''"
complete -c certstream-server -n "__fish_certstream_server_using_subcommand journal; and __fish_seen_subcommand_from export" -s c -l config -d 'Configuration file' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand journal; and __fish_seen_subcommand_from export" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand journal; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand journal; and __fish_seen_subcommand_from new-id" -s c -l config -d 'Configuration file' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand journal; and __fish_seen_subcommand_from new-id" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand journal; and __fish_seen_subcommand_from new-id" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand create-index" -s o -l out -d 'File to write [default: ct_log.import_index, or else ct_index.json]' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand create-index" -s c -l config -d 'Configuration file' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand create-index" -s f -l force -d 'Replace the file if it exists'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand create-index" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand create-index" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand completions" -s c -l config -d 'Configuration file' -r -F
complete -c certstream-server -n "__fish_certstream_server_using_subcommand completions" -l strict -d 'Treat warnings about the configuration as errors (exit status 64)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and not __fish_seen_subcommand_from tail search healthcheck validate logs alerts backfill journal create-index completions help" -f -a "tail" -d 'Print the stream of a server, one line per certificate'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and not __fish_seen_subcommand_from tail search healthcheck validate logs alerts backfill journal create-index completions help" -f -a "search" -d 'Search the certificates that a server keeps'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and not __fish_seen_subcommand_from tail search healthcheck validate logs alerts backfill journal create-index completions help" -f -a "healthcheck" -d 'Query a running server\'s health; exit 0 if healthy or degraded, otherwise 1'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and not __fish_seen_subcommand_from tail search healthcheck validate logs alerts backfill journal create-index completions help" -f -a "validate" -d 'Check the configuration; the same as --validate-config'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and not __fish_seen_subcommand_from tail search healthcheck validate logs alerts backfill journal create-index completions help" -f -a "logs" -d 'Show the logs in the journal or the state file, and acknowledge alarms'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and not __fish_seen_subcommand_from tail search healthcheck validate logs alerts backfill journal create-index completions help" -f -a "alerts" -d 'List alerts, send those again that did not arrive, or test receivers'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and not __fish_seen_subcommand_from tail search healthcheck validate logs alerts backfill journal create-index completions help" -f -a "backfill" -d 'List entries of logs that are missing in the journal, or read them into it'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and not __fish_seen_subcommand_from tail search healthcheck validate logs alerts backfill journal create-index completions help" -f -a "journal" -d 'Show, verify or export a journal, also while the server runs; rename a restored copy'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and not __fish_seen_subcommand_from tail search healthcheck validate logs alerts backfill journal create-index completions help" -f -a "create-index" -d 'Write every log\'s current size, as certstream-server-go does'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and not __fish_seen_subcommand_from tail search healthcheck validate logs alerts backfill journal create-index completions help" -f -a "completions" -d 'Print the completions of a shell; see --help to install them'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and not __fish_seen_subcommand_from tail search healthcheck validate logs alerts backfill journal create-index completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and __fish_seen_subcommand_from logs" -f -a "list" -d 'List each log\'s position and open alarms'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and __fish_seen_subcommand_from logs" -f -a "ack" -d 'Acknowledge a log\'s alarms, whether or not the server is running'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and __fish_seen_subcommand_from alerts" -f -a "list" -d 'Print the newest alerts, or those that did not arrive'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and __fish_seen_subcommand_from alerts" -f -a "retry" -d 'Send alerts again that did not arrive, also while the server runs'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and __fish_seen_subcommand_from alerts" -f -a "test" -d 'Send a sample alert to receivers now, without a server, and print what each answers'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and __fish_seen_subcommand_from journal" -f -a "info" -d 'Show what the journal has'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and __fish_seen_subcommand_from journal" -f -a "verify" -d 'Check that nothing is damaged and every index of every log is accounted for once; exit status 1 otherwise'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and __fish_seen_subcommand_from journal" -f -a "export" -d 'Write certificates to standard output'
complete -c certstream-server -n "__fish_certstream_server_using_subcommand help; and __fish_seen_subcommand_from journal" -f -a "new-id" -d 'Give a restored copy a new stream id before the server starts with it, so that nobody takes its offsets for those of the original'
