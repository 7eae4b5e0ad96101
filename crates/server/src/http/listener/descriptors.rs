//! File descriptors reserved for files and logs, which clients cannot use up.
//!
//! The state file, the log list and the connections to logs need descriptors too. The system always
//! assigns the lowest free one, so a connection's number is a lower bound of those in use; a connection
//! whose number is too high is closed at once.

use std::os::fd::AsRawFd;

use rlimit::Resource;

use super::Port;

/// The smallest and the largest reserve.
const RESERVE: [u64; 2] = [64, 1024];

/// Reports whether a connection just accepted uses one of the descriptors reserved for files and logs.
/// The limit is the current one. Connections for metrics may take half of
/// the reserve, so that an operator sees what is wrong.
pub(super) fn are_short(connection: &impl AsRawFd, port: Port) -> bool {
    // A limit that cannot be read is not applied; accepting then fails at it, which is counted too.
    let Ok((limit, _)) = Resource::NOFILE.get() else { return false };
    let Ok(number) = u64::try_from(connection.as_raw_fd()) else { return false };
    number >= first_reserved(limit, port)
}

/// Returns the lowest number that connections to a port cannot have.
fn first_reserved(limit: u64, port: Port) -> u64 {
    let [smallest, largest] = RESERVE;
    let reserve = (limit / 4).clamp(smallest, largest).min(limit / 2);
    match port {
        Port::Public => limit - reserve,
        Port::Metrics => limit - reserve / 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_descriptors_is_reserved_within_bounds() {
        let cases = [
            (0, 0, 0),
            (64, 32, 48),
            (256, 192, 224),
            (1024, 768, 896),
            (4096, 3072, 3584),
            (1 << 20, (1 << 20) - 1024, (1 << 20) - 512),
            (u64::MAX, u64::MAX - 1024, u64::MAX - 512),
        ];
        for (limit, public, metrics) in cases {
            assert_eq!(first_reserved(limit, Port::Public), public, "{limit}");
            assert_eq!(first_reserved(limit, Port::Metrics), metrics, "{limit}");
        }
    }
}
