//! Keys for logs that nobody has: points everyone knows.

use ct::LogId;

use crate::template::{element, sequence};

/// The base point of P-256 and its double (FIPS 186-4 appendix D.1.2.3), without compression.
const POINTS: [&[u8; 65]; 2] = [
    b"\x04\
      \x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2\
      \x77\x03\x7d\x81\x2d\xeb\x33\xa0\xf4\xa1\x39\x45\xd8\x98\xc2\x96\
      \x4f\xe3\x42\xe2\xfe\x1a\x7f\x9b\x8e\xe7\xeb\x4a\x7c\x0f\x9e\x16\
      \x2b\xce\x33\x57\x6b\x31\x5e\xce\xcb\xb6\x40\x68\x37\xbf\x51\xf5",
    b"\x04\
      \x7c\xf2\x7b\x18\x8d\x03\x4f\x7e\x8a\x52\x38\x03\x04\xb5\x1a\xc3\
      \xc0\x89\x69\xe2\x77\xf2\x1b\x35\xa6\x0b\x48\xfc\x47\x66\x99\x78\
      \x07\x77\x55\x10\xdb\x8e\xd0\x40\x29\x3d\x9a\xc6\x9f\x74\x30\xdb\
      \xba\x7d\xad\xe6\x3c\xe9\x82\x29\x9e\x04\xb7\x9d\x22\x78\x73\xd1",
];

/// The `SubjectPublicKeyInfo` of each point.
pub(crate) fn keys() -> [Vec<u8>; 2] {
    POINTS.map(|point| {
        let ec_public_key = element(0x06, b"\x2a\x86\x48\xce\x3d\x02\x01");
        let prime256v1 = element(0x06, b"\x2a\x86\x48\xce\x3d\x03\x01\x07");
        let bits = [b"\0".as_slice(), point].concat();
        sequence(&[sequence(&[ec_public_key, prime256v1]), element(0x03, &bits)])
    })
}

/// The id of the log with the first key.
pub(crate) fn log_id() -> LogId {
    let [key, _] = keys();
    LogId::of_key(&key)
}

/// A `DigitallySigned` structure that verifies nothing.
pub(crate) fn signature() -> Vec<u8> {
    let ecdsa = sequence(&[element(0x02, &[1]), element(0x02, &[1])]);
    [&[4, 3, 0, ecdsa.len() as u8], ecdsa.as_slice()].concat()
}
