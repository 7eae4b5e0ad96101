//! Rows of the table: the cluster.

use super::{Setting, row};
use crate::kind::Kind::{Ascii, Bool, Integer, Path, Seconds, Servers, Size, Span};
use crate::model::values::ByteSize;

pub(super) const ROWS: &[Setting] = &[
    row(
        "cluster.url",
        &["CERTSTREAM_CLUSTER_URL"],
        Servers,
        "NATS servers of the cluster, as URLs such as nats://nats-1:4222; tls:// requires TLS. Naming \
         one makes this server a node",
    )
    .restart(),
    row(
        "cluster.stream",
        &["CERTSTREAM_CLUSTER_STREAM"],
        Ascii,
        "The JetStream stream, the same for all nodes; it is created if it is absent, and never changed",
    )
    .restart(),
    row(
        "cluster.replicas",
        &["CERTSTREAM_CLUSTER_REPLICAS"],
        Integer(1, 5),
        "Copies of the stream on NATS servers, if it is created: 1, 3 or 5. With 3, one NATS server may \
         fail, with 5 two",
    )
    .restart(),
    row(
        "cluster.max_bytes",
        &["CERTSTREAM_CLUSTER_MAX_BYTES"],
        Size(64 * ByteSize::MIB, 64 * 1024 * ByteSize::GIB),
        "Size of the stream on each NATS server, if it is created; beyond it the oldest entries are \
         deleted",
    )
    .restart(),
    row(
        "cluster.max_age",
        &["CERTSTREAM_CLUSTER_MAX_AGE"],
        Span,
        "Age at which entries are deleted, if the stream is created; by default only cluster.max_bytes \
         limits it",
    )
    .example("7d")
    .restart(),
    row(
        "cluster.max_lag_secs",
        &["CERTSTREAM_CLUSTER_MAX_LAG_SECS"],
        Seconds(1, 3_600),
        "How far this node may be behind the stream before /health/ready answers 503",
    )
    .restart(),
    row(
        "cluster.outage_grace_secs",
        &["CERTSTREAM_CLUSTER_OUTAGE_GRACE_SECS"],
        Seconds(0, 86_400),
        "How long /health/ready still answers 200 while no NATS server responds, so that a load \
         balancer does not disconnect every client",
    )
    .restart(),
    row(
        "cluster.durable",
        &["CERTSTREAM_CLUSTER_DURABLE"],
        Bool,
        "Declares that every NATS server has sync_interval: always, so that none loses in a power \
         failure what it acknowledged. Offsets then do not jump when another node takes over. After an older \
         copy of the stream is restored, the first leader needs false: otherwise offsets that clients have \
         seen are given to other certificates",
    )
    .restart(),
    row("cluster.user", &["CERTSTREAM_CLUSTER_USER"], Ascii, "User, with cluster.password_file")
        .example("certstream")
        .restart(),
    row(
        "cluster.password_file",
        &["CERTSTREAM_CLUSTER_PASSWORD_FILE"],
        Path,
        "File with the user's password",
    )
    .example("/etc/certstream/cluster-password")
    .restart(),
    row("cluster.token_file", &["CERTSTREAM_CLUSTER_TOKEN_FILE"], Path, "File with a token")
        .example("/etc/certstream/cluster-token")
        .restart(),
    row(
        "cluster.nkey_file",
        &["CERTSTREAM_CLUSTER_NKEY_FILE"],
        Path,
        "File with the seed of an NKey",
    )
    .example("/etc/certstream/cluster.nk")
    .restart(),
    row(
        "cluster.creds_file",
        &["CERTSTREAM_CLUSTER_CREDS_FILE"],
        Path,
        "Credentials file with a JWT and the seed of its NKey",
    )
    .example("/etc/certstream/cluster.creds")
    .restart(),
    row(
        "cluster.ca_file",
        &["CERTSTREAM_CLUSTER_CA_FILE"],
        Path,
        "PEM certificates of the authorities that the NATS servers' certificates are checked with, \
         instead of those of the system",
    )
    .example("/etc/certstream/cluster-ca.pem")
    .restart(),
    row(
        "cluster.tls",
        &["CERTSTREAM_CLUSTER_TLS"],
        Bool,
        "Require TLS; otherwise it is used if the NATS server requires it",
    )
    .restart(),
];
